"""Which bucket has ordered puts, and with which keys it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest

from sweep.store import buckets
from sweep.store.buckets import _gcs_config, _s3_config
from sweep.store.filesystems import open_root
from sweep.store.store import Store, StoreError
from tests.sweep.proxy import Proxy


def options_of(uri: str) -> dict[str, Any]:
    return open_root(uri)[0].__reduce__()[1][0]


def test_a_bucket_that_obeys_is_asked_once_in_a_process(
    behind_proxy: tuple[str, Proxy],
) -> None:
    root, proxy = behind_proxy
    made = proxy.count(lambda: Store(root).objects)
    assert made == ["PUT .conditional", "PUT .conditional", "PUT .conditional"]
    assert proxy.count(lambda: Store(root).objects) == []
    buckets._opened.clear()
    assert proxy.count(lambda: Store(root).objects) == ["PUT .conditional", "PUT .conditional"]
    assert Store(root).objects is not None
    assert Store(root).list("trials") == []


@pytest.mark.parametrize("behaviour", ["ignores_conditions", "refuses_conditions"])
def test_one_that_does_not_has_none(behind_proxy: tuple[str, Proxy], behaviour: str) -> None:
    root, proxy = behind_proxy
    setattr(proxy, behaviour, True)
    store = Store(root)
    assert store.objects is None
    store.write("trials/a.parquet", b"1")
    assert store.read("trials/a.parquet") == b"1"


def test_a_store_that_is_away_is_asked_again_later(behind_proxy: tuple[str, Proxy]) -> None:
    root, proxy = behind_proxy
    proxy.close()
    with pytest.raises(StoreError, match="NETWORK_CONNECTION"):
        Store(root).write("trials/a.parquet", b"1")
    assert root not in buckets._opened


def test_one_that_obstore_cannot_reach_as_arrow_does_has_none(
    behind_proxy: tuple[str, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = buckets._client

    def unreachable(*arguments: Any) -> dict[str, Any]:
        changed = original(*arguments)
        changed["client_options"] |= {"proxy_url": "http://127.0.0.1:1"}
        return changed

    monkeypatch.setattr(buckets, "_client", unreachable)
    store = Store(behind_proxy[0])
    assert store.objects is None
    store.write("trials/a.parquet", b"1")


def test_an_old_or_local_file_system_has_none(tmp_path: Path) -> None:
    assert Store(tmp_path).objects is None
    assert buckets._configured(pafs.LocalFileSystem(), "a/b") is None


URI = "s3://b/r?endpoint_override=h:9&scheme=http&region=eu-west-1"


def test_what_a_uri_says_is_said_to_obstore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of other keys")
    config = _s3_config(options_of(URI.replace("//", "//KEY:se%2Fcret@")), "b", {})
    assert config is not None
    assert config.pop("credential_provider")() == {
        "access_key_id": "KEY",
        "secret_access_key": "se/cret",
        "token": None,
        "expires_at": None,
    }
    assert config == {
        "region": "eu-west-1",
        "endpoint": "http://h:9",
        "virtual_hosted_style_request": False,
    }


def test_addresses_of_buckets() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k"}
    whole = options_of("s3://b/r?endpoint_override=https://x.r2.cloudflarestorage.com&region=auto")
    assert (_s3_config(whole, "b", keys) or {})["endpoint"] == "https://x.r2.cloudflarestorage.com"
    virtual = options_of(URI) | {"force_virtual_addressing": True}
    assert (_s3_config(virtual, "b", keys) or {})["endpoint"] == "http://b.h:9"
    assert "endpoint" not in (_s3_config(options_of("s3://b/r?region=x"), "b", keys) or {})


def test_keys_of_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "credentials"
    path.write_text(
        "[default]\naws_access_key_id = a\naws_secret_access_key = b%c\n"
        "[other]\naws_access_key_id = d\naws_secret_access_key = e\naws_session_token = f\n"
        "[role]\nrole_arn = g\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    options = options_of(URI)
    found = []
    for profile in ("default", "other", "role"):
        monkeypatch.setenv("AWS_PROFILE", profile)
        provider = (_s3_config(options, "b", {}) or {}).get("credential_provider")
        found.append(provider and tuple(provider().values())[:3])
    assert found == [("a", "b%c", None), ("d", "e", "f"), None]
    assert "credential_provider" not in (
        _s3_config(options, "b", {"AWS_ACCESS_KEY_ID": "k"}) or {}
    )


@pytest.mark.parametrize(
    "changes",
    [{"role_arn": "arn:x"}, {"proxy_options": {"host": "proxy", "port": 1}}],
)
def test_what_obstore_cannot_do_is_left_to_arrow(changes: dict[str, Any]) -> None:
    assert _s3_config(options_of(URI) | changes, "b", {"AWS_ACCESS_KEY_ID": "k"}) is None


def test_without_keys_nobody_asks_a_machine_that_says_it_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    options = options_of(URI)
    assert _s3_config(options, "b", {"AWS_EC2_METADATA_DISABLED": "true"}) is None
    assert _s3_config(options, "b", {}) is not None
    assert (_s3_config(options | {"anonymous": True}, "b", {}) or {})["skip_signature"]


def test_google_cloud() -> None:
    options = options_of("gs://anonymous@b/r?endpoint_override=h:9&scheme=http")
    assert _gcs_config(options) == {"base_url": "http://h:9", "skip_signature": True}
    assert _gcs_config(options_of("gs://b/r")) == {}
    assert _gcs_config(options | {"target_service_account": "x"}) is None


def test_secrets_are_not_kept_in_words(bucket_root: str) -> None:
    store = Store(bucket_root.replace("s3://", "s3://AKIA123:hush@"))
    assert store.objects is not None
    assert "hush" not in repr(store.objects)
