#include "test/support/layer_stack.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <random>
#include <set>

namespace banger::test {
namespace {

/// The first are chosen more often, so that layers meet.
constexpr std::array<const char*, 12> kNames = {
    "a", "b", "c", "d", "e", "f f", "q\"'\\", "n\nl", "\xc3\xbc", "\xff\xfe", "-x", "A"};
constexpr std::array<unsigned, 8> kModes = {0644, 0755, 0600, 0777, 04755, 02755, 01777, 0};
constexpr std::array<std::int64_t, 5> kOwners = {0, 1, 1000, 65534, 2147483653};

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool is_below(const std::string& path, const std::string& directory) {
    return directory.empty() || path.starts_with(directory + "/");
}

std::string join(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : directory + "/" + name;
}

/// Remembers by name alone what the layers so far amount to; a name behind a symlink may be
/// forgotten or wrong, which only makes a choice less apt.
class Names {
  public:
    void put(const std::string& path, char type) {
        for (auto above = parent_of(path); !above.empty(); above = parent_of(above))
            types_.try_emplace(above, 'd');
        const bool stays = type == '5' && types_.contains(path) && types_[path] == '5';
        if (!stays) remove(path);
        types_[path] = type;
    }
    void remove(const std::string& path) {
        clear(path);
        types_.erase(path);
    }
    void clear(const std::string& directory) {
        std::erase_if(types_, [&](const auto& item) { return is_below(item.first, directory); });
    }
    /// '5' a directory, 'd' one that no layer lists, 0 nothing; otherwise as TarEntry has it.
    char type_of(const std::string& path) const {
        const auto found = types_.find(path);
        return found == types_.end() ? '\0' : found->second;
    }
    std::vector<std::string> of_type(const std::string& types) const {
        std::vector<std::string> found;
        for (const auto& [path, type] : types_)
            if (types.find(type) != std::string::npos) found.push_back(path);
        return found;
    }

  private:
    std::map<std::string, char> types_;
};

class StackMaker {
  public:
    explicit StackMaker(std::uint64_t seed) : random_(seed) {}

    LayerStack make() {
        LayerStack stack(2 + below(4));
        for (auto& layer : stack)
            layer = below(3) == 0 ? listed_layer() : loose_layer();
        return stack;
    }

  private:
    std::size_t below(std::size_t limit) { return random_() % limit; }
    bool chance(std::size_t percent) { return below(100) < percent; }
    template <class Items>
    auto pick(const Items& items) {
        return items[below(items.size())];
    }

    /// Whiteouts first, then anything, through symlinks and missing parents as well. A whiteout
    /// that comes later finds, in umoci, what the entries before it have made of its way; for us it
    /// is of no consequence where it stands.
    std::vector<TarEntry> loose_layer() {
        auto layer = whiteouts();
        const auto ways = ways_of(layer);
        add_changes(layer, [&](const TarEntry& entry) {
            // Whether a whiteout behind a symlink or directory that the layer itself replaces
            // concerns the old way or the new one: umoci goes by the order, we take the new one.
            return !ways.contains(entry.path) ||
                   (entry.type == '5' && names_.type_of(entry.path) != '2');
        });
        return layer;
    }

    /// Every parent listed before what is in it, as tar does, and whiteouts anywhere. (Refilling a
    /// hidden directory without listing it: whether it keeps its old attributes depends, in umoci,
    /// on whether the whiteout or the refill comes first.)
    std::vector<TarEntry> listed_layer() {
        auto hiding = whiteouts();
        const auto ways = ways_of(hiding);
        std::vector<TarEntry> changes;
        std::set<std::string> used;
        add_changes(changes, [&](const TarEntry& entry) {
            return !is_through(entry.path, used) && used.insert(entry.path).second &&
                   (entry.type == '5' || !ways.contains(entry.path));
        });
        std::vector<TarEntry> layer;
        std::set<std::string> listed;
        for (const auto& entry : shuffled_in(std::move(hiding), std::move(changes))) {
            list_parents(parent_of(entry.path), layer, listed);
            if (entry.type == '5' && listed.contains(entry.path)) continue;
            if (entry.type == '5') listed.insert(entry.path);
            layer.push_back(entry);
        }
        return layer;
    }

    /// Whether `path` lies below, or holds, a path that the layer has an entry for: that might be
    /// no directory.
    static bool is_through(const std::string& path, const std::set<std::string>& used) {
        return std::any_of(used.begin(), used.end(), [&](const std::string& other) {
            return is_below(path, other) || is_below(other, path);
        });
    }

    void list_parents(const std::string& path, std::vector<TarEntry>& layer,
                      std::set<std::string>& listed) {
        if (path.empty() || listed.contains(path)) return;
        list_parents(parent_of(path), layer, listed);
        listed.insert(path);
        layer.push_back(with_attributes({.path = path, .type = '5'}));
        names_.put(path, '5');
    }

    std::vector<TarEntry> shuffled_in(std::vector<TarEntry> some, std::vector<TarEntry> others) {
        for (auto& each : some)
            others.insert(others.begin() + static_cast<std::ptrdiff_t>(below(others.size() + 1)),
                          std::move(each));
        return others;
    }

    std::vector<TarEntry> whiteouts() {
        std::vector<TarEntry> layer;
        for (auto count = below(4); count > 0; --count) {
            if (chance(30)) {
                const auto directory = some_directory();
                layer.push_back({.path = join(directory, ".wh..wh..opq")});
                names_.clear(directory);
                continue;
            }
            const auto known = names_.of_type("0123456d");
            const auto path = known.empty() || chance(15) ? new_path() : pick(known);
            const auto name = path.substr(path.rfind('/') + 1);
            layer.push_back({.path = join(parent_of(path), ".wh." + name)});
            names_.remove(path);
        }
        return layer;
    }

    static std::set<std::string> ways_of(const std::vector<TarEntry>& layer) {
        std::set<std::string> ways;
        for (const auto& entry : layer)
            for (auto way = parent_of(entry.path); !way.empty(); way = parent_of(way))
                ways.insert(way);
        return ways;
    }

    template <class Allows>
    void add_changes(std::vector<TarEntry>& layer, Allows allows) {
        for (auto count = 2 + below(9); count > 0; --count) {
            auto entry = change();
            if (!entry || !allows(*entry)) continue;
            if (entry->path != ".") names_.put(entry->path, entry->type);
            layer.push_back(std::move(*entry));
        }
    }

    std::optional<TarEntry> change() {
        const auto dice = below(100);
        if (dice < 3) return with_attributes({.path = ".", .type = '5'});
        const auto old = names_.of_type("0123456d");
        const auto path = !old.empty() && chance(30) ? pick(old) : new_path();
        if (dice < 40) return with_attributes({.path = path, .content = content()});
        if (dice < 60) return with_attributes({.path = path, .type = '5'});
        if (dice < 75) return symlink(path);
        if (dice < 90) return hard_link(path);
        if (dice < 94) return with_attributes({.path = path, .type = '6'});
        const auto high = static_cast<unsigned>(below(300)),
                   low = static_cast<unsigned>(below(70'000));
        return with_attributes(
            {.path = path, .type = chance(50) ? '3' : '4', .major = high, .minor = low});
    }

    TarEntry symlink(const std::string& path) {
        static const std::array<std::string, 4> kUp = {"", "../", "/", "../../../../"};
        // No ".." behind a name: where that name is missing, umoci takes it back unmade.
        const std::string up = pick(kUp);
        const auto target = near_path();
        targets_[path] = up.empty()    ? join(parent_of(path), target)
                         : up == "../" ? join(parent_of(parent_of(path)), target)
                                       : target;
        return with_attributes({.path = path, .type = '2', .link = up + target, .mode = 0777});
    }

    std::optional<TarEntry> hard_link(const std::string& path) {
        const auto files = names_.of_type("01236");
        if (files.empty()) return std::nullopt;
        const auto target = pick(files);
        if (target == path || is_below(target, path) || is_below(path, target)) return std::nullopt;
        return TarEntry{.path = path, .type = '1', .link = (chance(20) ? "/" : "") + target};
    }

    std::string near_path() {
        const auto known = names_.of_type("5d");
        return known.empty() || chance(15) ? name() : pick(known);
    }

    std::string name() { return kNames[std::min(below(kNames.size()), below(kNames.size()))]; }

    /// Whether something can be put below a name of this type.
    static bool is_room(char type) { return type == '5' || type == 'd' || type == '\0'; }

    /// A directory, or a symlink that may lead to one, or the root.
    std::string some_directory() {
        auto known = names_.of_type("5d2");
        std::erase_if(known, [&](const std::string& path) {
            return names_.type_of(path) == '2' && !is_room(names_.type_of(targets_[path]));
        });
        return known.empty() || chance(15) ? "" : pick(known);
    }

    std::string new_path() {
        auto path = join(some_directory(), name());
        // A parent that no layer lists.
        if (chance(15) && is_room(names_.type_of(path))) path = join(path, name());
        return std::count(path.begin(), path.end(), '/') > 6 ? name() : path;
    }

    std::string content() {
        static const std::array<std::size_t, 6> kSizes = {0, 1, 100, 4096, 5000, 20'000};
        std::string bytes = fmt::format("content {} ", random_());
        bytes.resize(pick(kSizes), static_cast<char>(chance(50) ? 0 : 'x'));
        return bytes;
    }

    TarEntry with_attributes(TarEntry entry) {
        if (entry.type != '2') entry.mode = pick(kModes);
        // Where umoci makes a missing parent, the host's kernel has it inherit this and the group.
        if (entry.type == '5') entry.mode &= ~02000u;
        entry.uid = pick(kOwners);
        entry.gid = pick(kOwners);
        entry.mtime = chance(10) ? -5 : 1'500'000'000 + static_cast<std::int64_t>(below(1000));
        if (entry.mtime > 0 && chance(20)) {
            entry.pax["mtime"] = fmt::format("{}.{:09}", entry.mtime, below(1'000'000'000));
        }
        const bool takes_xattrs = entry.type == '0' || entry.type == '5';
        if (takes_xattrs && chance(15)) {
            entry.pax["SCHILY.xattr.user.note"] = std::string("\x01\0\n", 3) + name();
        }
        if (entry.type == '0' && chance(5)) {
            entry.pax["SCHILY.xattr.security.capability"] =
                std::string("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
        }
        return entry;
    }

    std::mt19937_64 random_;
    Names names_;
    std::map<std::string, std::string> targets_;  ///< of symlinks, as paths
};

std::string as_text(const std::string& bytes) {
    std::string text;
    for (const char c : bytes) {
        const bool plain = c > ' ' && c < 0x7f && c != '\\';
        text += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return text;
}

std::string describe(const TarEntry& entry) {
    auto line = fmt::format("{} {} mode={:o} uid={} gid={} mtime={}", entry.type,
                            as_text(entry.path), entry.mode, entry.uid, entry.gid, entry.mtime);
    if (!entry.link.empty()) line += " -> " + as_text(entry.link);
    if (!entry.content.empty()) line += fmt::format(" ({} bytes)", entry.content.size());
    if (entry.type == '3' || entry.type == '4')
        line += fmt::format(" {}:{}", entry.major, entry.minor);
    for (const auto& [key, value] : entry.pax)
        line += fmt::format(" {}={}", key, as_text(value));
    return line;
}

/// Leaves out stretches of `items`, ever shorter ones, as long as `fails` holds for what is left.
template <class Item, class Fails>
void leave_out(std::vector<Item>& items, const Fails& fails) {
    for (auto length = items.size(); length > 0; length /= 2) {
        for (std::size_t at = 0; at < items.size();) {
            const auto whole = items;
            const auto first = items.begin() + static_cast<std::ptrdiff_t>(at);
            items.erase(first,
                        first + static_cast<std::ptrdiff_t>(std::min(length, items.size() - at)));
            if (fails()) continue;
            items = whole;
            at += length;
        }
    }
}

}  // namespace

LayerStack random_stack(std::uint64_t seed) {
    return StackMaker(seed).make();
}

ImageSpec image_of(const LayerStack& stack, Packing packing) {
    ImageSpec spec;
    spec.config = "{}";
    for (const auto& layer : stack) {
        TarBuilder tar;
        for (const auto& entry : layer)
            tar.add(entry);
        spec.layers.push_back({tar.finish(), packing});
    }
    return spec;
}

std::string describe(const LayerStack& stack) {
    std::string text;
    for (std::size_t index = 0; index < stack.size(); ++index) {
        text += fmt::format("layer {}:\n", index);
        for (const auto& entry : stack[index])
            text += "  " + describe(entry) + "\n";
    }
    return text;
}

LayerStack reduce(LayerStack stack, const std::function<bool(const LayerStack&)>& fails) {
    for (std::string before; before != describe(stack);) {
        before = describe(stack);
        leave_out(stack, [&] { return fails(stack); });
        for (auto& layer : stack)
            leave_out(layer, [&] { return fails(stack); });
    }
    return stack;
}

}  // namespace banger::test
