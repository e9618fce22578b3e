#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "pipelines/image/ext4/layer_entry.hpp"

namespace banger::image {

/// The entries of a layer in the tar's order, packed: about 20 bytes each besides what their path
/// does not share with the one before. Layers wait in memory until all of an image are there, and
/// an image may have five million entries. They can only be read one after the other.
class LayerList {
  public:
    /// The entry is one and the same object each time, filled anew; it may be moved from.
    using Visit = std::function<void(LayerEntry&)>;

    LayerList() = default;
    LayerList(const std::vector<LayerEntry>& entries);  // NOLINT: a short list is a list
    LayerList(LayerList&&) noexcept = default;
    LayerList& operator=(LayerList&&) noexcept = default;

    void add(const LayerEntry& entry);
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    /// The path of the entry added last.
    const std::string& last_path() const { return last_path_; }

    void for_each(const Visit& visit) const;
    /// The same, and gives back the memory of what has been visited on the way.
    void consume(const Visit& visit);

  private:
    std::deque<std::string> chunks_;  ///< whole records
    std::string record_;              ///< room to pack one in
    std::size_t size_ = 0;
    std::string last_path_;
    std::uint64_t last_block_ = 0;  ///< one past the last extent
};

}  // namespace banger::image
