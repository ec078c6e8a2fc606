"""What the course of a metric is drawn over, whatever it is: how many values came before, and how long it took."""

COUNT, SECONDS = "count", "seconds"
