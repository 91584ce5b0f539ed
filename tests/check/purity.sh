#!/bin/sh
# Usage: purity.sh LIBRARY...
# The decision and codec libraries call no I/O, clock, randomness or thread, and keep no state at
# file scope: seen in what their objects need from outside and in the sections they fill.
set -eu

input_output='accept accept4 access bind chdir chmod chown close closedir connect copy_file_range creat
dup dup2 epoll_wait eventfd fcntl fdatasync fsync ftruncate getaddrinfo gethostbyname getpeername
getsockname getsockopt inotify_init ioctl link linkat listen lseek lstat stat fstat fstatat mkdir
mkdirat mkstemp mmap munmap open openat openat2 opendir pipe pipe2 poll ppoll pread preadv preadv2 pwrite
pwritev read readdir readlink readv realpath recv recvfrom recvmmsg recvmsg rename renameat rmdir select
send sendfile sendmmsg sendmsg sendto setsockopt shutdown socket socketpair splice symlink syscall truncate
unlink unlinkat write writev'
stdio='fclose fdopen fflush fgetc fgets fopen fprintf fputc fputs fread freopen fscanf fseek fwrite getc
getchar getline perror printf putc putchar puts scanf stdin stdout stderr vfprintf vprintf syslog'
clocks='clock clock_gettime clock_nanosleep ftime gettimeofday gmtime localtime nanosleep sleep time
timerfd_create usleep'
chance='arc4random drand48 getentropy getrandom lrand48 rand rand_r random RAND_bytes srand srandom'
processes='_exit exit abort_handler_s execve execvp fork getenv kill popen posix_spawn pthread_create
pthread_mutex_lock raise secure_getenv setenv signal sigaction system thrd_create wait waitpid'
banned=$(echo " $input_output $stdio $clocks $chance $processes " | tr '\n' ' ')

# "read@GLIBC_2.2.5", "__read_chk" and "pread64" are read and pread.
plain() {
	sed -E 's/@.*//; s/^__(.*)_chk$/\1/; s/^__isoc99_//; s/64$//' | sort -u
}

faults_of() {
	nm -u "$1" | awk 'NF == 2 && $1 == "U" { print $2 }' | plain | while read -r name; do
		case "$banned" in *" $name "*) echo "calls $name" ;; esac
	done
	# Sanitizers and coverage keep state of their own in every object.
	if ! nm "$1" | grep -Eq '__asan_|__tsan_|__gcov_|__llvm_prf|__sancov'; then
		nm --format=sysv "$1" | awk -F'|' '
			{ gsub(/ /, "", $1); gsub(/ /, "", $7) }
			$7 ~ /^\.(data|bss|tdata|tbss)/ && $7 !~ /^\.data\.rel\.ro/ && $1 !~ /^\./ {
				print "keeps state in " $1 " (" $7 ")"
			}'
	fi
}

echo "1..$#"
n=0
failed=0
for lib in "$@"; do
	n=$((n + 1))
	if [ -r "$lib" ] && nm "$lib" >/dev/null 2>&1; then
		faults=$(faults_of "$lib" 2>/dev/null)
	else
		faults='cannot be read'
	fi
	if [ -z "$faults" ]; then
		echo "ok $n - $(basename "$lib") is pure"
	else
		failed=1
		echo "not ok $n - $(basename "$lib") is pure"
		echo "$faults" | sed 's/^/#   /'
	fi
done
exit $failed
