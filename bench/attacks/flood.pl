#!/usr/bin/perl
# The generator in Perl, for a machine without native/build/sojourn-flood.
#   flood.pl [--device NAME] --rate PER-SECOND --seconds SECONDS FILE
use strict;
use warnings;
use Socket qw(AF_INET AF_INET6 SOCK_RAW SOL_SOCKET pack_sockaddr_in pack_sockaddr_in6);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC usleep);

use constant { IPPROTO_RAW => 255, SO_BINDTODEVICE => 25, LONGEST_SECONDS => 60 };
my $name = pop @ARGV;
my %option = @ARGV;
my ($rate, $seconds) = ($option{'--rate'}, $option{'--seconds'});
die "at most 60 seconds\n" if $seconds > LONGEST_SECONDS;
open(my $file, '<', $name) or die "$name: $!\n";
my @packets = map { chomp; pack 'H*', $_ } <$file>;
my $family = (ord($packets[0]) >> 4) == 6 ? AF_INET6 : AF_INET;
socket(my $socket, $family, SOCK_RAW, IPPROTO_RAW) or die "socket: $!\n";
if (defined $option{'--device'}) {
    setsockopt($socket, SOL_SOCKET, SO_BINDTODEVICE, $option{'--device'} . "\0") or die "device: $!\n";
}
my @to = map {
    $family == AF_INET6 ? pack_sockaddr_in6(0, substr($_, 24, 16)) : pack_sockaddr_in(0, substr($_, 16, 4))
} @packets;
my ($sent, $refused, $next) = (0, 0, 0);
my $total = $rate * $seconds;
my $began = clock_gettime(CLOCK_MONOTONIC);
my $elapsed = 0;
while ($sent + $refused < $total && $elapsed < $seconds) {
    my $due = $rate * $elapsed + 32;
    $due = $total if $due > $total;
    while ($sent + $refused < $due) {
        my $done = send($socket, $packets[$next], 0, $to[$next]);
        if (defined $done) { $sent++ } else { $refused++ }
        $next = 0 if ++$next == @packets;
    }
    usleep(500);
    $elapsed = clock_gettime(CLOCK_MONOTONIC) - $began;
}
printf qq({"sent":%d,"seconds":%.3f,"refused":%d}\n), $sent, $elapsed, $refused;
