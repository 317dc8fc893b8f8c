"""The paper beside what was measured: Table II, claims, trends, survival."""
