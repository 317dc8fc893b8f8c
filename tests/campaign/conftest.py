"""A bucket of an S3 server on loopback, as the tests of the store have it."""

from __future__ import annotations

from tests.sweep.conftest import bucket_root, s3_root

__all__ = ["bucket_root", "s3_root"]
