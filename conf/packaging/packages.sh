# Read by build.sh: the deb and rpm commands. Both build from what `make dist` packs, in build/deb and build/rpm.

deb_packages="debhelper dpkg-dev fakeroot lintian"
rpm_packages="rpm"

version() { sed -n 's/^AC_INIT(\[mod_dgon\], \[\(.*\)\])$/\1/p' "$top/configure.ac"; }

# unpacked DIR: what a tarball holds, in DIR/mod_dgon-VERSION.
unpacked() {
    rm -rf "$1"
    mkdir -p "$1"
    mkdir -p "$top/build"
    # shellcheck disable=SC2086
    packages $build_packages
    start_page
    configure_in "$obj"
    end_page
    step "make dist" "$1/dist.log" make -s --no-print-directory -C "$obj" dist
    tar -C "$1" -xf "$obj/mod_dgon-$(version).tar.xz"
}

build_deb() {
    local dir=$top/build/deb v source
    v=$(version)
    # shellcheck disable=SC2086
    packages $deb_packages libcunit1-dev
    grep -q "^mod-dgon ($v-" "$top/conf/packaging/debian/changelog" ||
        die "conf/packaging/debian/changelog has no entry for $v, the version in configure.ac"
    unpacked "$dir"
    source=$dir/mod-dgon-$v
    mv "$dir/mod_dgon-$v" "$source"
    cp "$obj/mod_dgon-$v.tar.xz" "$dir/mod-dgon_$v.orig.tar.xz"
    cp -r "$source/conf/packaging/debian" "$source/debian"
    cp "$source"/conf/packaging/dgon.load "$source"/conf/packaging/dgon-gateway.conf "$source/conf/dgon.conf" "$source/debian"
    cp "$source/conf/dgon-agent.service" "$source/debian/dgon-agent.service"
    chmod +x "$source/debian/rules"
    step "dpkg-buildpackage" "$dir/build.log" env -C "$source" DEB_BUILD_OPTIONS="nocheck parallel=$jobs ${DEB_BUILD_OPTIONS:-}" \
        dpkg-buildpackage -us -uc -b
    step "lintian" "$dir/lintian.log" lintian --fail-on error --allow-root "$dir/mod-dgon_$v-"*.changes
    echo "built:"
    ls "$dir"/*.deb
}

build_rpm() {
    local dir=$top/build/rpm v
    v=$(version)
    # shellcheck disable=SC2086
    packages $rpm_packages
    unpacked "$dir"
    mkdir -p "$dir"/{SOURCES,SPECS}
    cp "$obj/mod_dgon-$v.tar.xz" "$dir/SOURCES"
    sed "s/@VERSION@/$v/" "$top/conf/packaging/rpm/mod_dgon.spec" >"$dir/SPECS/mod_dgon.spec"
    # On Debian the libraries come from .deb packages, which rpm does not know.
    local nodeps=
    ! command -v dpkg-query >/dev/null || nodeps=--nodeps
    step "rpmbuild" "$dir/build.log" rpmbuild -bb $nodeps --define "_topdir $dir" --define "_smp_mflags -j$jobs" \
        "$dir/SPECS/mod_dgon.spec"
    echo "built:"
    find "$dir/RPMS" -name '*.rpm'
}
