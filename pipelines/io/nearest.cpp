#include "pipelines/io/nearest.hpp"

#include <algorithm>

namespace banger {

// Optimal string alignment: Levenshtein's rows, and one older row for swapped neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> older(b.size() + 1), previous(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        previous[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            auto replace = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({previous[j] + 1, row[j - 1] + 1, replace});
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], older[j - 2] + 1);
        }
        std::swap(older, previous);
        std::swap(previous, row);
    }
    return previous[b.size()];
}

std::optional<std::string> nearest(std::string_view wanted, const std::vector<std::string>& names) {
    const std::string* best = nullptr;
    std::size_t best_distance = std::max<std::size_t>(1, wanted.size() / 3) + 1;
    for (const auto& name : names) {
        auto distance = edit_distance(wanted, name);
        // A name typed half is nearer than its length suggests.
        if (wanted.size() >= 3 && name.starts_with(wanted)) distance = 1;
        if (distance >= best_distance) continue;
        best = &name;
        best_distance = distance;
    }
    if (!best) return std::nullopt;
    return *best;
}

std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& names) {
    auto name = nearest(wanted, names);
    return name ? "; did you mean '" + *name + "'?" : std::string();
}

}  // namespace banger
