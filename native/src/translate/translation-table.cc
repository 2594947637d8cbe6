#include "translate/translation-table.h"

namespace sojourn {

void Translations::set(const TranslationSpec& spec, EpochDomain& domain) {
  Side& each = side(spec.far);
  const Mapping::Key inner{spec.family, spec.inner};
  const Mapping::Key outer{static_cast<u8>(spec.family == 4 ? 6 : 4), spec.outer};
  const Mapping* outwards = each.byInner.find(inner);
  const Mapping* back = each.byOuter.find(outer);
  if (outwards != nullptr && outwards->to == spec.outer && back != nullptr &&
      back->to == spec.inner) {
    return;
  }
  if (outwards != nullptr) forget(each, inner, {outer.family, outwards->to}, domain);
  if (back != nullptr) forget(each, {inner.family, back->to}, outer, domain);
  each.byInner.set(new Mapping{inner, spec.outer}, domain);
  each.byOuter.set(new Mapping{outer, spec.inner}, domain);
  count_.fetch_add(1, std::memory_order_relaxed);
}

void Translations::erase(const TranslationSpec& spec, EpochDomain& domain) {
  Side& each = side(spec.far);
  const Mapping* outwards = each.byInner.find({spec.family, spec.inner});
  if (outwards == nullptr || !(outwards->to == spec.outer)) return;
  forget(each, {spec.family, spec.inner}, {static_cast<u8>(spec.family == 4 ? 6 : 4), spec.outer},
         domain);
}

void Translations::forget(Side& each, const Mapping::Key& inner, const Mapping::Key& outer,
                          EpochDomain& domain) {
  // Copies: the keys may be those of the mappings that go.
  const Mapping::Key first = inner;
  const Mapping::Key second = outer;
  const bool known = each.byInner.erase(first, domain);
  each.byOuter.erase(second, domain);
  if (known) count_.fetch_sub(1, std::memory_order_relaxed);
}

namespace {

// The destination of what an ICMP error quotes; false when there is none.
bool quotedDestination(const PacketView& packet, PacketView& quoted) {
  constexpr u32 icmpHeader = 8;
  if (!isIcmpError(packet)) return false;
  const UpperLayer upper = upperLayer(packet);
  const u32 at = upper.offset + icmpHeader;
  return at < packet.length && viewQuoted(packet.data + at, packet.length - at, quoted) &&
         quoted.family == packet.family;
}

}  // namespace

Planned planTranslation(const Translations& translations, Crossing crossing,
                        const PacketView& packet, TranslationTarget& target) {
  const Mapping* destination =
      translations.destination(crossing, packet.family, packet.destination());
  if (destination == nullptr) return Planned::no;
  const Mapping* source = translations.source(crossing, packet.family, packet.source());
  PacketView quoted;
  if (source == nullptr && quotedDestination(packet, quoted)) {
    source = translations.source(crossing, quoted.family, quoted.destination());
  }
  if (source == nullptr) return Planned::unmapped;
  target.source = source->to;
  target.destination = destination->to;
  return Planned::yes;
}

}  // namespace sojourn
