// A bounded queue that shares its room and its service between sources: hierarchical round robin
// over their prefixes (RFC 8290 §4 does it over flows). Each prefix with items waiting has a node;
// the service goes to the wide prefixes in turn, within each to the narrower ones in turn.
//
// A node may fill what is still free, less what the nodes above it hold (the dynamic thresholds of
// Choudhury and Hahne): sources that send too much leave room for those that come later, and no
// push looks for a victim.
#pragma once
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "control/source-prefix.h"

namespace sojourn {

template <class Item>
class FairQueue {
 public:
  // In the unit of the items' costs.
  explicit FairQueue(size_t capacity) : capacity_(capacity) {}
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;
  ~FairQueue() {
    while (pop()) continue;
  }

  // False: more than the share of its source. `cost` is not 0.
  bool push(const SourcePrefixes& source, size_t cost, Item&& item) {
    Node* path[kLevels];
    if (!hasRoom(source, cost, path)) return false;
    Node* node = &root_;
    node->cost += cost;
    for (int level = 0; level < kLevels; level++) {
      if (path[level] == nullptr) {
        path[level] = &nodes_.try_emplace(source.hash[level]).first->second;
        path[level]->key = source.hash[level];
        node->children.append(path[level]);
      }
      node = path[level];
      node->cost += cost;
    }
    node->items.append(new Entry{std::move(item), cost});
    size_++;
    return true;
  }

  std::optional<Item> pop() {
    if (size_ == 0) return std::nullopt;
    Node* path[kLevels];
    Node* node = &root_;
    for (Node*& at : path) at = node = node->children.first;
    const std::unique_ptr<Entry> entry(node->items.takeFirst());
    size_--;
    root_.cost -= entry->cost;
    for (int level = kLevels - 1; level >= 0; level--) {
      Node& parent = level == 0 ? root_ : *path[level - 1];
      parent.children.takeFirst();
      path[level]->cost -= entry->cost;
      if (path[level]->cost > 0) {
        parent.children.append(path[level]);
      } else {
        nodes_.erase(path[level]->key);
      }
    }
    return std::move(entry->item);
  }

  size_t size() const { return size_; }

 private:
  static constexpr int kLevels = SourcePrefixes::kLevels;

  template <class Element>
  struct List {
    Element* first = nullptr;
    Element* last = nullptr;

    void append(Element* element) {
      element->next = nullptr;
      (first == nullptr ? first : last->next) = element;
      last = element;
    }
    Element* takeFirst() {
      Element* taken = first;
      first = taken->next;
      return taken;
    }
  };
  struct Entry {
    Item item;
    size_t cost;
    Entry* next = nullptr;
  };
  struct Node {
    u64 key = 0;
    size_t cost = 0;
    // In the order of service. The narrowest nodes have items, the others children.
    List<Node> children;
    List<Entry> items;
    Node* next = nullptr;
  };
  // The keys are seeded hashes already.
  struct AsItIs {
    size_t operator()(u64 key) const { return key; }
  };

  // `path`: the nodes of the source; null: it has none yet.
  bool hasRoom(const SourcePrefixes& source, size_t cost, Node* (&path)[kLevels]) {
    size_t room = capacity_ - root_.cost;
    for (int level = 0; level < kLevels; level++) {
      const auto found = nodes_.find(source.hash[level]);
      path[level] = found == nodes_.end() ? nullptr : &found->second;
      const size_t held = path[level] == nullptr ? 0 : path[level]->cost;
      if (held + cost > room) return false;
      room -= held;
    }
    return true;
  }

  const size_t capacity_;
  Node root_;
  std::unordered_map<u64, Node, AsItIs> nodes_;
  size_t size_ = 0;
};

}  // namespace sojourn
