"""Fetching objects that were left on clusters, when something here needs them."""

from collections.abc import Mapping

from ..engine.errors import ClusterError, InstepError, MissingObject
from ..engine.session import Session
from ..engine.snapshots.journal import AWAY, Journal
from ..engine.snapshots.objects import StoredObject
from .cluster import connect
from .fetch import Source, fetch_object
from .follow import Say
from .jobs import JobsPort
from .places import slug
from .profile import Profile, profile
from .storage import storage_of


def bring(session: Session, names: Mapping[str, str], env: Mapping[str, str], notify: Say) -> None:
    """Fetch these objects: `<hash>.<format>` → the cluster's name. `env` has the clusters' tokens.

    Raises MissingObject where a cluster has lost one, ClusterError where it cannot be asked now.
    """
    with Journal(session.journal.path) as journal:
        rows = journal.objects_named(names)
        total = sum(row[2] for row in rows)
        notify({"t": "note", "text": f"fetching {len(rows)} objects, {total / 1e6:,.1f} MB"})
        for row in rows:
            found = profile(session.planner.project, row[4].removeprefix(AWAY))
            with connect(found, env) as port:
                _fetch(session, port, found, StoredObject(*row[:4]), journal)


def _fetch(session: Session, port: JobsPort, found: Profile, one: StoredObject, journal: Journal) -> None:
    """From whichever node has it: where the runs of this project were followed, the newest first."""
    project = slug(session.planner.project.name)
    followed = [each for each in journal.followed() if each.cluster == found.name and each.node]
    last: InstepError | None = None
    for node in reversed(dict.fromkeys(each.node.split()[0] for each in followed)):
        try:
            fetch_object(Source(port, node, project, storage_of(found.storage)), one, session.objects)
            journal.arrived(one.content_hash, one.format)
            return
        except (MissingObject, ClusterError) as error:
            last = error
    raise last or MissingObject(f"nobody knows on which node of {found.name} {one.content_hash[:12]}… is")
