"""How the page gets built: ./build.sh page in a copy, on a machine without Node; and what make install makes of it."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

import env

SOURCES = ("index.html", "signin.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src", "public", "test")
NODE = re.compile("node|nodejs|npm|npx|corepack")


def without_node(folder):
    """A directory with every program of PATH but Node's."""
    for d in reversed([*os.environ["PATH"].split(":"), "/usr/sbin"]):
        for program in pathlib.Path(d).iterdir() if pathlib.Path(d).is_dir() else ():
            link = folder / program.name
            if not NODE.fullmatch(program.name):
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    return folder


def copy(folder):
    """What build.sh needs of the tree to build the page."""
    (folder / "htdocs").mkdir()
    shutil.copy(env.TOP / "build.sh", folder)
    for name in SOURCES:
        source = env.TOP / "htdocs" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / "htdocs" / name)
    return folder


def build(tree, path, fails=False):
    done = subprocess.run([tree / "build.sh", "page"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env=env.environment(PATH=str(path), XDG_CACHE_HOME=str(env.CACHE.parent)))
    assert (done.returncode != 0) == fails, (done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.mark.timeout(240)
def test_without_node(tmp_path):
    tree, path = tmp_path / "tree", tmp_path / "bin"
    for d in (tree, path):
        d.mkdir()
    copy(tree), without_node(path)
    assert shutil.which("node", path=str(path)) is None and shutil.which("bash", path=str(path))
    assert "page ..." in build(tree, path)
    page = tree / "htdocs" / "dist" / "index.html"
    names = re.findall(r'(?:src|href)="\./([^"]+)"', page.read_text())
    assert names and all((page.parent / n).exists() for n in names), names

    # Nothing has changed: nothing is built. A file is newer: it is.
    assert "page ..." not in build(tree, path)
    os.utime(tree / "htdocs" / "public" / "icon.svg")
    assert "page ..." in build(tree, path)
    # A page that does not compile does not get out, and the one before stays.
    before = page.read_bytes()
    (tree / "htdocs" / "src" / "wrong.ts").write_text('export const wrong: number = "text";\n')
    assert "src/wrong.ts" in build(tree, path, fails=True)
    assert "src/wrong.ts" in build(tree, path, fails=True), "the second time it was taken for new"
    assert page.read_bytes() == before


def test_make_install(tmp_path):
    """The built files and page.conf with their place in it, and nothing else of htdocs."""
    subprocess.run(["make", "-s", "-C", env.OBJ, "install-page", f"DESTDIR={tmp_path}"], check=True, capture_output=True)
    conf = next(tmp_path.rglob("page.conf"))
    htdocs = conf.parent / "htdocs"
    files = {str(f.relative_to(htdocs)): f.read_bytes() for f in htdocs.rglob("*") if f.is_file()}
    assert files == {str(f.relative_to(env.PAGE)): f.read_bytes() for f in env.PAGE.rglob("*") if f.is_file()}
    assert [m[1] for m in re.finditer(r'^ *Define DGON_PAGE "(.*)"', conf.read_text(), re.M)] == [str(htdocs).removeprefix(str(tmp_path))]


def test_make_install_without_a_page(tmp_path):
    """It says what to do."""
    done = subprocess.run(["make", "-s", "-C", env.OBJ, "install-page", f"VPATH={tmp_path}", f"DESTDIR={tmp_path}"], capture_output=True, text=True)
    assert done.returncode != 0 and "run ./build.sh page" in done.stderr and list(tmp_path.iterdir()) == []
