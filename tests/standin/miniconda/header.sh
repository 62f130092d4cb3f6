#!/bin/sh
# Stand-in for the Miniconda installer: an archive of a conda installation behind this script.
#   sh INSTALLER.sh [-b] [-u] [-f] [-p PREFIX]
set -eu
version='@VERSION@' build_prefix='@PREFIX@' lines='@LINES@' md5='@MD5@'
loader='@LOADER@' python='@PYTHON@'
prefix=$HOME/miniconda3 batch=no existing=refuse

die() {
    echo "ERROR: $*" >&2
    exit 1
}

case $0 in
*.sh) ;;
*) die "the name of the installer has to end in .sh" ;;
esac
while getopts bfhp:u option; do
    case $option in
    b) batch=yes ;;
    f | u) existing=keep ;;
    p) prefix=$OPTARG ;;
    h)
        sed -n 's/^# \?//; 2,3p' "$0"
        exit 0
        ;;
    *) exit 2 ;;
    esac
done
[ "$batch" = yes ] || die "this stand-in asks no questions: give -b"
case $prefix in
*[[:space:]]*) die "the prefix '$prefix' contains spaces" ;;
/*) ;;
*) prefix=$PWD/$prefix ;;
esac
if [ -e "$prefix" ] && [ "$existing" = refuse ]; then
    die "$prefix exists already: give -u to update it"
fi

found=$(tail -n +"$lines" "$0" | md5sum | cut -d ' ' -f 1)
# As in the installer that this stands in for, a damaged archive is only warned of.
[ "$found" = "$md5" ] || echo "WARNING: md5 is $found, expected $md5" >&2

echo "Miniconda stand-in $version into $prefix"
mkdir -p "$prefix"
# Beside what is there, so that the new Python can take the old packages away.
unpacked=$prefix/.unpacked
rm -rf "$unpacked"
mkdir "$unpacked"
tail -n +"$lines" "$0" | tar -xzf - -C "$unpacked" || die "the archive cannot be unpacked"
"$unpacked/lib/$loader" "$unpacked/bin/$python" -B "$unpacked/.relocate.py" "$unpacked" "$build_prefix" "$prefix" ||
    die "the packages cannot be linked"
rm -rf "$unpacked" "$prefix/.relocate.py"
"$prefix/bin/conda" --version >/dev/null || die "conda does not run"
echo "installation finished."
exit 0
