"""The file systems behind `storage`, opened so that one that does not answer is known to be that within seconds.

Credentials are those that each side has anyway; the URL has none. What a client of such a store reports is long and in
a language of its own; here it becomes one sentence.
"""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..engine.errors import StoreError

CONNECT_SECONDS = 5.0
SILENT_SECONDS = 10.0
"""So long nothing may come before a request has failed; what a client would wait is minutes."""
TRIES = 2
OPTIONS = ("region", "scheme", "endpoint_override", "anonymous")
_MEND = "Mend `storage` in instep.toml."
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the role of this machine",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS or the account of this machine",
}
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket|Bucket '.*' not found|\bNOT_FOUND\b|http_status_code=404")
_REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|"
    r"HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED|http_status_code=40[13]|OAuth2 access token"
)
_TLS = re.compile(r"curlCode: (35|51|60)\b|CURL error \[(35|51|60)\]")
_SILENT = re.compile(r"NETWORK_CONNECTION|UNAVAILABLE|REQUEST_TIMEOUT|curl", re.IGNORECASE)


def opened(url: str) -> tuple[Any, str]:  # Any: a file system of pyarrow, whose stubs are incomplete
    """A file system and the path of `url` in it. Raises StoreError for a URL that means nothing, OSError where the
    region of its bucket has to be asked for and nobody answers."""
    fs = systems()
    kind = urlsplit(url).scheme
    try:
        match "gs" if kind == "gcs" else kind:
            case "s3":
                return _s3(fs, url)
            case "gs":
                return _gs(fs, url)
            case _:
                system, path = fs.FileSystem.from_uri(url)
    except (ValueError, NotImplementedError) as error:
        raise StoreError(f"storage {url} cannot be used: {error}", mend=_MEND) from None
    return system, path.rstrip("/")


def _s3(fs: Any, url: str) -> tuple[Any, str]:
    bucket, path, options = _parts(url)
    if "region" not in options and "endpoint_override" not in options:
        options["region"] = fs.resolve_s3_region(bucket)
    system = fs.S3FileSystem(
        connect_timeout=CONNECT_SECONDS,
        request_timeout=SILENT_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=TRIES),
        **options,
    )
    return system, path


def _gs(fs: Any, url: str) -> tuple[Any, str]:
    _, path, options = _parts(url)
    options.pop("region", None)
    return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=TRIES * SILENT_SECONDS), **options), path


def _parts(url: str) -> tuple[str, str, dict[str, Any]]:
    """Bucket, path with the bucket, options. Raises ValueError for an option that is none."""
    parts = urlsplit(url)
    told = dict(parse_qsl(parts.query))
    for name in told:
        if name not in OPTIONS:
            raise ValueError(f"`{name}` is no option of it; there are {', '.join(OPTIONS)}")
    if not parts.netloc or "@" in parts.netloc:
        raise ValueError("write it as KIND://BUCKET/FOLDER, without credentials")
    options: dict[str, Any] = dict(told)
    if "anonymous" in told:
        options["anonymous"] = told["anonymous"] == "true"
    return parts.netloc, f"{parts.netloc}{parts.path}".rstrip("/"), options


def is_whole_at_once(system: Any) -> bool:
    """Whether an object has its name only when all of it is there, so that it needs no other name before. To rename is
    to copy there, and impossible for more than 5 GB."""
    return system.type_name in ("s3", "gcs")


def told(error: OSError, url: str) -> str:
    """What is wrong, in a few words."""
    parts, text = urlsplit(url), str(error)
    if parts.scheme in ("s3", "gs", "gcs"):
        kind = "s3" if parts.scheme == "s3" else "gs"
        for pattern, words in (
            (_REFUSED, f"these credentials are not accepted there, or there are none ({_CREDENTIALS[kind]})"),
            (_TLS, "there is no TLS, or its certificate is not trusted here (`?scheme=http` goes without)"),
            (_NO_BUCKET, f"there is no bucket `{parts.netloc}`"),
            (_SILENT, f"{dict(parse_qsl(parts.query)).get('endpoint_override', 'it')} does not answer"),
        ):
            if pattern.search(text):
                return words
    return (text.splitlines() or [type(error).__name__])[0][:300]


def systems() -> Any:  # Any: its stubs are incomplete
    import importlib

    return importlib.import_module("pyarrow.fs")
