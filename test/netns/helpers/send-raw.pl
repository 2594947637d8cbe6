#!/usr/bin/perl
# Sends complete IP packets unchanged. Each line of standard input is one packet in hexadecimal
# digits:  send-raw.pl DESTINATION
use strict;
use warnings;
use Socket qw(AF_INET AF_INET6 SOCK_RAW inet_pton pack_sockaddr_in pack_sockaddr_in6);

use constant IPPROTO_RAW => 255;
my ($destination) = @ARGV;
my $family = $destination =~ /:/ ? AF_INET6 : AF_INET;
my $address = inet_pton($family, $destination) or die "no address: $destination\n";
my $to = $family == AF_INET6 ? pack_sockaddr_in6(0, $address) : pack_sockaddr_in(0, $address);
while (my $line = <STDIN>) {
    chomp $line;
    next if $line eq '';
    my $packet = pack 'H*', $line;
    socket(my $socket, $family, SOCK_RAW, IPPROTO_RAW) or die "socket: $!\n";
    # The kernel routes by the source that the socket is bound to, not by that of the packet. A source
    # that is not local cannot be bound.
    my $source = $family == AF_INET6 ? substr($packet, 8, 16) : substr($packet, 12, 4);
    my $from = $family == AF_INET6 ? pack_sockaddr_in6(0, $source) : pack_sockaddr_in(0, $source);
    bind($socket, $from);
    my $sent = send($socket, $packet, 0, $to);
    die "send: $!\n" if !defined $sent || $sent != length $packet;
}
