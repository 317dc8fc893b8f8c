"""Opens a bucket for puts in order, configured as Arrow's file system of the same root is.

Whether a store obeys the conditions of a put is tried once in a process: some refuse them and some
ignore them, which would be worse than to have none. Where they do not work, or obstore cannot be
configured like Arrow, there are no such puts (sweep/store/ownership.py says what is done then).
"""

from __future__ import annotations

import configparser
import contextlib
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.fs as pafs

from sweep.store.retry import trouble

if TYPE_CHECKING:
    from sweep.store.objects import Objects

# Stays in the root, empty, for those who try after.
PROBE = ".conditional"
PROBES = 3
# As Arrow is set to do.
ATTEMPTS = 3
# Then the file is read again: who logs in anew writes new keys into it.
PROFILE_LASTS = timedelta(minutes=15)

_lock = threading.Lock()
# By root: what was found out about it.
_opened: dict[str, Objects | None] = {}


def ordered_objects(root: str, fs: pafs.FileSystem, base: str) -> Objects | None:
    """The objects of a root, if its store replaces them in order; found out once in a process.

    Raises OSError while the store cannot be reached.
    """
    with _lock:
        if root not in _opened:
            objects = _configured(fs, base)
            _opened[root] = objects if objects is not None and _obeys(objects, fs, base) else None
        return _opened[root]


def _configured(fs: pafs.FileSystem, base: str) -> Objects | None:
    """The objects, by the options that Arrow has; None where obstore has no such option."""
    try:
        from obstore.store import GCSStore, S3Store

        from sweep.store.objects import Objects
    except ImportError:
        return None
    bucket, _, prefix = base.partition("/")
    prefix = f"{prefix}/" if prefix else ""
    _, (options,) = fs.__reduce__()
    if isinstance(fs, pafs.S3FileSystem):
        config = _s3_config(options, bucket, os.environ)
        if config is None:
            return None
        return Objects(
            lambda seconds: S3Store(bucket, **config, **_client(options, seconds)), prefix
        )
    if isinstance(fs, pafs.GcsFileSystem):
        config = _gcs_config(options)
        if config is None:
            return None
        return Objects(
            lambda seconds: GCSStore(bucket, **config, **_client(options, seconds)), prefix
        )
    return None


def _client(options: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """How requests are made: a connection in 5 s, all of a request in `seconds`."""
    client: dict[str, Any] = {"timeout": timedelta(seconds=seconds)}
    endpoints = (os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    client["allow_http"] = options["scheme"] == "http" or any(
        endpoint.startswith("http://") for endpoint in endpoints
    )
    if options.get("tls_ca_file_path"):
        client["root_certificate"] = Path(options["tls_ca_file_path"]).read_bytes()
    retry = {
        "max_retries": ATTEMPTS - 1,
        "retry_timeout": timedelta(seconds=seconds),
        "backoff": {
            "init_backoff": timedelta(milliseconds=200),
            "max_backoff": timedelta(seconds=2),
            "base": 2,
        },
    }
    return {"client_options": client, "retry_config": retry}


def _s3_config(
    options: Mapping[str, Any], bucket: str, environment: Mapping[str, str]
) -> dict[str, Any] | None:
    """Arguments of S3Store; None if Arrow goes by a proxy, by a role, or has no key at all."""
    if options["role_arn"] or (options["proxy_options"] or {}).get("host"):
        return None
    config: dict[str, Any] = {"region": options["region"] or "us-east-1"}
    endpoint = options["endpoint_override"]
    virtual = bool(options["force_virtual_addressing"])
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        host = f"{bucket}.{host}" if virtual else host
        config["endpoint"] = f"{scheme or options['scheme']}://{host}"
    config["virtual_hosted_style_request"] = virtual
    if options["anonymous"]:
        return config | {"skip_signature": True}
    if options["access_key"]:
        keys = options["access_key"], options["secret_key"], options["session_token"] or None
        config["credential_provider"] = lambda: _credential(*keys)
    elif "AWS_ACCESS_KEY_ID" in environment:
        pass  # obstore finds them
    elif _profile_keys() is not None:
        config["credential_provider"] = _profile_keys
    elif environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    return config


def _profile_keys() -> dict[str, Any] | None:
    """Keys of the profile in the file of shared credentials, which obstore does not read."""
    path = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    profiles = configparser.RawConfigParser()
    with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
        profiles.read(Path(path).expanduser())
    name = os.environ.get("AWS_PROFILE") or "default"
    if not profiles.has_option(name, "aws_access_key_id"):
        return None
    profile = profiles[name]
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    key, secret, token = (profile.get(name) for name in names)
    return _credential(key, secret, token, datetime.now(UTC) + PROFILE_LASTS)


def _credential(
    key: str | None, secret: str | None, token: str | None, expires_at: datetime | None = None
) -> dict[str, Any]:
    return {
        "access_key_id": key,
        "secret_access_key": secret or "",
        "token": token,
        "expires_at": expires_at,
    }


def _gcs_config(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Arguments of GCSStore; None if Arrow acts for another account."""
    if options["target_service_account"]:
        return None
    config: dict[str, Any] = {}
    if options["endpoint_override"]:
        config["base_url"] = f"{options['scheme'] or 'https'}://{options['endpoint_override']}"
    if options["anonymous"]:
        config["skip_signature"] = True
    elif options["access_token"]:
        config["bearer_token"] = options["access_token"]
    return config


def _obeys(objects: Objects, fs: pafs.FileSystem, base: str) -> bool:
    """Whether the store refuses to create what is there, and to replace another version."""
    for attempt in range(PROBES):
        try:
            return _refuses_both(objects)
        except OSError as error:
            if trouble(error) is None:
                return False
            # Raises what Arrow has against the store. If it gets through, obstore may, too.
            fs.get_file_info(f"{base}/{PROBE}{attempt}")
        except Exception:
            return False  # a key or an address that obstore does not take: Arrow is left to try
    return False


def _refuses_both(objects: Objects) -> bool:
    from sweep.store.objects import Changed

    for _ in range(2):
        # The second time it is there, whoever made it.
        try:
            objects.put(PROBE, b"", None)
        except Changed:
            break
    else:
        return False
    try:
        objects.put(PROBE, b"", {"e_tag": '"0123456789abcdef0123456789abcdef"', "version": "1"})
    except Changed:
        return True
    return False
