"""promtool out of Debian's package prometheus, without its server: that would be installed as a service and started."""

import functools
import pathlib
import shutil
import subprocess
import tempfile

import env


@functools.cache
def path():
    tool = env.CACHE / "promtool"
    if not tool.exists():
        env.CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as place:
            subprocess.run(["apt-get", "-q", "download", "prometheus"], cwd=place, check=True, capture_output=True)
            deb = next(pathlib.Path(place).glob("prometheus_*.deb"))
            subprocess.run(["dpkg-deb", "-x", deb, place], check=True)
            shutil.copy(pathlib.Path(place) / "usr/bin/promtool", env.CACHE / "promtool.new")
            (env.CACHE / "promtool.new").rename(tool)
    return tool
