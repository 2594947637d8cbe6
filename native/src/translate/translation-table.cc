#include "translate/translation-table.h"

namespace sojourn {
namespace {

u8 otherFamily(u8 family) { return family == 4 ? 6 : 4; }

// The packet that an ICMP error quotes; false if `packet` is no such error.
bool viewQuotedOf(const PacketView& packet, PacketView& quoted) {
  constexpr u32 icmpHeader = 8;
  if (!isIcmpError(packet)) return false;
  const u32 at = upperLayer(packet).offset + icmpHeader;
  return at < packet.length && viewQuoted(packet.data + at, packet.length - at, quoted) &&
         quoted.family == packet.family;
}

}  // namespace

void TranslationTable::set(const TranslationSpec& spec, EpochDomain& domain) {
  Side& each = side(spec.far);
  const Mapping::Key inner{.family = spec.family, .address = spec.inner};
  const Mapping::Key outer{.family = otherFamily(spec.family), .address = spec.outer};
  const Mapping* toOuter = each.byInner.find(inner);
  const Mapping* toInner = each.byOuter.find(outer);
  const bool sameOuter = toOuter != nullptr && toOuter->to == spec.outer;
  const bool sameInner = toInner != nullptr && toInner->to == spec.inner;
  if (sameOuter && sameInner) return;
  if (toOuter != nullptr) remove(each, inner, {outer.family, toOuter->to}, domain);
  if (toInner != nullptr) remove(each, {inner.family, toInner->to}, outer, domain);
  each.byInner.set(new Mapping{.from = inner, .to = spec.outer}, domain);
  each.byOuter.set(new Mapping{.from = outer, .to = spec.inner}, domain);
  count_.fetch_add(1, std::memory_order_relaxed);
}

void TranslationTable::erase(const TranslationSpec& spec, EpochDomain& domain) {
  Side& each = side(spec.far);
  const Mapping::Key inner{.family = spec.family, .address = spec.inner};
  const Mapping* toOuter = each.byInner.find(inner);
  if (toOuter == nullptr || !(toOuter->to == spec.outer)) return;
  remove(each, inner, {otherFamily(spec.family), spec.outer}, domain);
}

void TranslationTable::remove(Side& each, const Mapping::Key& inner, const Mapping::Key& outer,
                              EpochDomain& domain) {
  const bool known = each.byInner.erase(inner, domain);
  each.byOuter.erase(outer, domain);
  if (known) count_.fetch_sub(1, std::memory_order_relaxed);
}

TranslationPlan planTranslation(const TranslationTable& translations,
                                TranslationDirection direction, const PacketView& packet,
                                TranslationTarget& target) {
  const u8 family = packet.family;
  const Mapping* destination = translations.destination(direction, family, packet.destination());
  if (destination == nullptr) return TranslationPlan::none;
  const Mapping* source = translations.source(direction, family, packet.source());
  PacketView quoted;
  if (source == nullptr && viewQuotedOf(packet, quoted)) {
    source = translations.source(direction, quoted.family, quoted.destination());
  }
  if (source == nullptr) return TranslationPlan::unmapped;
  target.source = source->to;
  target.destination = destination->to;
  return TranslationPlan::translate;
}

}  // namespace sojourn
