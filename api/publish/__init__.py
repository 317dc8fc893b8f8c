"""Published sweeps: a static folder of the service's own answers, which needs no server."""
