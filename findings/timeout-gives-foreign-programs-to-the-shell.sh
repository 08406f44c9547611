#!/bin/bash
# Guessed: a program for another machine is "Exec format error", exit code 126, whoever starts it, as in a shell.
# What happens: timeout, nohup, env and nice (GNU coreutils over glibc's execvp) hand the file to /bin/sh as if it were a
# script. The shell looks for a command called like the first bytes: exit code 127, "not found". Lines further down that
# happen to be commands run.
# Why it matters: a job of the wrong architecture (a container image, a copied binary) looks like a missing command, exit
# code 127 instead of 126, only because there is a wrapper before it.
# Prints what each does; exits with 0 if every wrapper ran the file as a script, or said 127, and both shells said 126.
set -u
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2

# The head of a program for a 64-bit machine that this is not, and a line that a shell could run.
case $(uname -m) in s390x) machine='\267' ;; *) machine='\026' ;; esac
# shellcheck disable=SC2059
printf "\\177ELF\\002\\002\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\002\\000$machine\\necho ran as a script\\n" >job
chmod +x job

timeout --version | head -1
getconf GNU_LIBC_VERSION
surprising=yes
for wrapper in "timeout 5" nohup env "nice -n 1"; do
    said=$($wrapper ./job 2>/dev/null </dev/null | tr -d '\0')
    $wrapper ./job >/dev/null 2>&1 </dev/null
    code=$?
    echo "$wrapper: exit code $code, printed: ${said:-nothing}"
    [ -n "$said" ] || [ $code = 127 ] || surprising=no
done
for shell in dash bash; do
    $shell -c ./job >/dev/null 2>&1
    code=$?
    echo "$shell: exit code $code"
    [ $code = 126 ] || surprising=no
done
[ $surprising = yes ]
