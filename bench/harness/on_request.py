"""Peers that no distribution carries; --peers names them."""


def start(dir, kind, backend, name):
    raise SystemExit(f"--peers does not know {kind}")
