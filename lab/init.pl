# The first process inside the lab's PID namespace: starts the command, reaps every orphan, passes signals on and exits
# as the command did. When it exits the kernel kills whatever still runs in the namespace, so nothing outlives the lab.
# Perl because Debian always has it (perl-base is essential) and neither a shell nor Node.js can do all of that.
use strict;
use warnings;
use Errno ();
use POSIX ();

my $command = fork // die "lab: fork: $!\n";
if (!$command) {
    exec { $ARGV[0] } @ARGV or do { print STDERR "lab: cannot start $ARGV[0]: $!\n"; POSIX::_exit(127) };
}

# A Ctrl-C reaches the command from the terminal itself, and once more from the outer process, which cannot tell a
# terminal's signal from a `kill`. si_code tells it here; what is forwarded right after the terminal's own is the same one.
my $from_terminal_at = -1;
my $forward = sub {
    my ($name, $info) = @_;
    if ($info->{code} > 0) { $from_terminal_at = time; return }
    return if $name eq 'INT' && time - $from_terminal_at <= 1;
    kill $name, $command;
};
my $handled = POSIX::SigSet->new;
POSIX::sigaction(POSIX->can("SIG$_")->(), POSIX::SigAction->new($forward, $handled, POSIX::SA_SIGINFO())) for qw(INT TERM HUP QUIT USR1 USR2);

while (1) {
    my $reaped = waitpid(-1, 0);
    next if $reaped < 0 && $!{EINTR};
    next if $reaped != $command;
    POSIX::_exit(($? & 127) ? 128 + ($? & 127) : $? >> 8);
}
