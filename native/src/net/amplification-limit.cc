#include "net/amplification-limit.h"

namespace sojourn {

PlaceAccounts::~PlaceAccounts() {
  for (const auto& [key, account] : accounts_) delete account;
}

PlaceAccount* PlaceAccounts::acquire(const Endpoint* endpoint, const PlaceSpec& spec) {
  if (spec.validated) return nullptr;
  PlaceAccount*& account = accounts_[{endpoint, spec.account}];
  if (account == nullptr) {
    account = new PlaceAccount;
    account->key_ = {endpoint, spec.account};
  }
  account->references_++;
  // One of several legs may be told later than the others, and of less.
  if (spec.creditOctets > account->credit_.load(std::memory_order_relaxed)) {
    account->credit_.store(spec.creditOctets, std::memory_order_relaxed);
  }
  return account;
}

void PlaceAccounts::release(PlaceAccount* account, EpochDomain& domain) {
  if (account == nullptr || --account->references_ > 0) return;
  accounts_.erase(account->key_);
  domain.retire(account);
}

}  // namespace sojourn
