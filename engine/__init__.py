"""The headless core: project files → graph → fingerprint → plan → schedule → snapshot → compare."""
