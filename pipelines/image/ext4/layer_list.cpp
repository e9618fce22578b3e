#include "pipelines/image/ext4/layer_list.hpp"

#include <algorithm>
#include <string_view>

namespace banger::image {
namespace {

constexpr std::size_t kFirstChunk = 1024;
constexpr std::size_t kLargestChunk = 64 * 1024;

/// The first byte of a record: the type and which of the rarer parts follow.
constexpr std::uint8_t kTypeMask = 7;
constexpr std::uint8_t kHardLink = 8;
constexpr std::uint8_t kNanoseconds = 16;
constexpr std::uint8_t kLink = 32;
constexpr std::uint8_t kDevice = 64;
constexpr std::uint8_t kXattrs = 128;

std::size_t shared_prefix(std::string_view a, std::string_view b) {
    const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
    return static_cast<std::size_t>(end - a.begin());
}

/// Numbers take a byte for every 7 bits; small negative ones are small as well.
class Packer {
  public:
    explicit Packer(std::string& out) : out_(out) {}

    void number(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7)
            out_ += static_cast<char>(value | 0x80);
        out_ += static_cast<char>(value);
    }
    void difference(std::uint64_t value, std::uint64_t from) {
        const auto delta = value - from;
        const bool is_negative = (delta >> 63) != 0;
        number(delta << 1 ^ (is_negative ? ~std::uint64_t{0} : 0));
    }
    void text(std::string_view text) {
        number(text.size());
        out_ += text;
    }

  private:
    std::string& out_;
};

class Unpacker {
  public:
    explicit Unpacker(std::string_view packed) : left_(packed) {}

    bool empty() const { return left_.empty(); }
    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            const auto byte = static_cast<std::uint8_t>(left_.front());
            left_.remove_prefix(1);
            value |= std::uint64_t{byte & 0x7fU} << shift;
            if (byte < 0x80) return value;
        }
    }
    std::uint32_t small() { return static_cast<std::uint32_t>(number()); }
    std::uint64_t difference(std::uint64_t from) {
        const auto packed = number();
        const bool is_negative = (packed & 1) != 0;
        return from + (packed >> 1 ^ (is_negative ? ~std::uint64_t{0} : 0));
    }
    std::string_view text() {
        const auto size = number();
        const auto text = left_.substr(0, size);
        left_.remove_prefix(size);
        return text;
    }

  private:
    std::string_view left_;
};

std::uint8_t flags_of(const LayerEntry& entry) {
    auto flags = static_cast<std::uint8_t>(entry.type);
    if (entry.is_hard_link) flags |= kHardLink;
    if (entry.attributes.mtime.nanoseconds != 0) flags |= kNanoseconds;
    if (!entry.link_target.empty()) flags |= kLink;
    if (entry.device_major != 0 || entry.device_minor != 0) flags |= kDevice;
    if (!entry.attributes.xattrs.empty()) flags |= kXattrs;
    return flags;
}

/// Goes through a list's chunks; what a record leaves out stands in the one before.
class RecordReader {
  public:
    void read(std::string_view chunk, const LayerList::Visit& visit) {
        Unpacker in(chunk);
        while (!in.empty()) {
            read_record(in);
            visit(entry_);
        }
    }

  private:
    void read_record(Unpacker& in) {
        const auto flags = in.small();
        path_.resize(in.number());
        path_ += in.text();
        entry_.path = path_;
        entry_.type = static_cast<NodeType>(flags & kTypeMask);
        entry_.is_hard_link = (flags & kHardLink) != 0;
        auto& attributes = entry_.attributes;
        attributes.mode = static_cast<std::uint16_t>(in.number());
        attributes.uid = in.small();
        attributes.gid = in.small();
        attributes.mtime.seconds = static_cast<std::int64_t>(in.difference(0));
        attributes.mtime.nanoseconds = (flags & kNanoseconds) != 0 ? in.small() : 0;
        entry_.link_target = (flags & kLink) != 0 ? in.text() : std::string_view{};
        entry_.device_major = (flags & kDevice) != 0 ? in.small() : 0;
        entry_.device_minor = (flags & kDevice) != 0 ? in.small() : 0;
        entry_.size = in.number();
        read_extents(in);
        attributes.xattrs.clear();
        if ((flags & kXattrs) != 0) read_xattrs(in);
    }

    void read_extents(Unpacker& in) {
        entry_.extents.resize(in.number());
        std::uint32_t logical = 0;
        for (Extent& extent : entry_.extents) {
            extent.logical = static_cast<std::uint32_t>(in.difference(logical));
            extent.physical = in.difference(last_block_);
            extent.count = in.small();
            logical = extent.logical + extent.count;
            last_block_ = extent.physical + extent.count;
        }
    }

    void read_xattrs(Unpacker& in) {
        for (auto count = in.number(); count > 0; --count) {
            const auto name = in.text();
            entry_.attributes.xattrs.emplace_back(name, in.text());
        }
    }

    LayerEntry entry_;
    std::string path_;  ///< the entry's own may be moved away
    std::uint64_t last_block_ = 0;
};

}  // namespace

LayerList::LayerList(const std::vector<LayerEntry>& entries) {
    for (const LayerEntry& entry : entries)
        add(entry);
}

void LayerList::add(const LayerEntry& entry) {
    record_.clear();
    Packer out(record_);
    const auto& attributes = entry.attributes;
    const auto shared = shared_prefix(last_path_, entry.path);
    out.number(flags_of(entry));
    out.number(shared);
    out.text(std::string_view(entry.path).substr(shared));
    out.number(attributes.mode);
    out.number(attributes.uid);
    out.number(attributes.gid);
    out.difference(static_cast<std::uint64_t>(attributes.mtime.seconds), 0);
    if (attributes.mtime.nanoseconds != 0) out.number(attributes.mtime.nanoseconds);
    if (!entry.link_target.empty()) out.text(entry.link_target);
    if (entry.device_major != 0 || entry.device_minor != 0) {
        out.number(entry.device_major);
        out.number(entry.device_minor);
    }
    out.number(entry.size);
    out.number(entry.extents.size());
    std::uint32_t logical = 0;
    for (const Extent& extent : entry.extents) {
        out.difference(extent.logical, logical);
        out.difference(extent.physical, last_block_);
        out.number(extent.count);
        logical = extent.logical + extent.count;
        last_block_ = extent.physical + extent.count;
    }
    if (!attributes.xattrs.empty()) {
        out.number(attributes.xattrs.size());
        for (const auto& [name, value] : attributes.xattrs) {
            out.text(name);
            out.text(value);
        }
    }
    last_path_ = entry.path;
    ++size_;
    if (chunks_.empty() || chunks_.back().capacity() - chunks_.back().size() < record_.size()) {
        // Twice as large each time: most layers are small.
        const auto before = chunks_.empty() ? kFirstChunk / 2 : chunks_.back().capacity();
        chunks_.emplace_back().reserve(
            std::max(record_.size(), std::min(before * 2, kLargestChunk)));
    }
    chunks_.back() += record_;
}

void LayerList::for_each(const Visit& visit) const {
    RecordReader reader;
    for (const auto& chunk : chunks_)
        reader.read(chunk, visit);
}

void LayerList::consume(const Visit& visit) {
    RecordReader reader;
    for (size_ = 0; !chunks_.empty(); chunks_.pop_front())
        reader.read(chunks_.front(), visit);
    *this = {};
}

}  // namespace banger::image
