#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace banger::image {

/// Warnings for people, who read no million of them, and no novels: the first hundred, each cut to
/// 300 bytes, and how many followed. Their texts come from images: no bound but this one.
class WarningList {
  public:
    static constexpr std::size_t kMax = 100;
    static constexpr std::size_t kMaxBytes = 300;

    void add(std::string text) {
        if (texts_.size() < kMax) {
            if (text.size() > kMaxBytes) text = text.substr(0, kMaxBytes) + "…";
            texts_.push_back(std::move(text));
        } else {
            ++more_;
        }
    }
    void append(const WarningList& other) {
        for (const auto& text : other.texts_)
            add(text);
        more_ += other.more_;
    }
    std::vector<std::string> texts() const {
        auto all = texts_;
        if (more_ > 0) all.push_back(fmt::format("and {} more", more_));
        return all;
    }

  private:
    std::vector<std::string> texts_;
    std::uint64_t more_ = 0;
};

}  // namespace banger::image
