# The first process inside the lab's PID namespace: starts the command, reaps orphans, forwards
# signals, and exits with the status of the command. When it exits, the kernel kills every process
# in the namespace, so no process outlives the lab. It is written in Perl, which every Debian has
# (perl-base is essential), because neither a shell nor Node.js can do all of this.
use strict;
use warnings;
use Errno ();
use POSIX ();

my $command = fork // die "lab: fork: $!\n";
if (!$command) {
    exec { $ARGV[0] } @ARGV or do {
        print STDERR "lab: cannot start $ARGV[0]: $!\n";
        POSIX::_exit(127);
    };
}

# Ctrl-C reaches the command twice: from the terminal, and from the outer process, which cannot
# distinguish a terminal's signal from a `kill`. si_code distinguishes them here: a SIGINT that the
# outer process forwards right after the terminal's own is a duplicate.
my $from_terminal_at = -1;
my $forward = sub {
    my ($name, $info) = @_;
    if ($info->{code} > 0) { $from_terminal_at = time; return }
    return if $name eq 'INT' && time - $from_terminal_at <= 1;
    kill $name, $command;
};
my $handled = POSIX::SigSet->new;
for my $name (qw(INT TERM HUP QUIT USR1 USR2)) {
    my $action = POSIX::SigAction->new($forward, $handled, POSIX::SA_SIGINFO());
    POSIX::sigaction(POSIX->can("SIG$name")->(), $action);
}

while (1) {
    my $reaped = waitpid(-1, 0);
    next if $reaped < 0 && $!{EINTR};
    next if $reaped != $command;
    POSIX::_exit(($? & 127) ? 128 + ($? & 127) : $? >> 8);
}
