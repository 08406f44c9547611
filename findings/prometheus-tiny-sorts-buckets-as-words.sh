#!/usr/bin/env bash
# Perl's Prometheus::Tiny (Debian's libprometheus-tiny-perl) sorts the buckets of a histogram as words.
#
# Guessed: the buckets of a histogram come in the order of their bounds, as the text format asks for, `+Inf` last.
# Seen: only `+Inf` is put last; the others are sorted as text, so `le="10"` stands before `le="2.5"`, and the counts go up and down. The
# Pushgateway takes it and keeps this order in its scrapes; whoever reads buckets one after the other is misled.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet libprometheus-tiny-perl=0.010-1 >/dev/null 2>&1
dpkg -x libprometheus-tiny-perl_*.deb package
basename libprometheus-tiny-perl_*.deb .deb
perl -Ipackage/usr/share/perl5 -e '
  use Prometheus::Tiny;
  my $metrics = Prometheus::Tiny->new;
  $metrics->declare("wait_seconds", help => "time in the queue", type => "histogram", buckets => [2.5, 5, 10]);
  $metrics->histogram_observe("wait_seconds", 3, { queue => "mail" });
  print $metrics->format;' | tee said
[ "$(grep -o 'le="[^"]*"' said | paste -sd' ')" = 'le="10" le="2.5" le="5" le="+Inf"' ]
