#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

/// Columns that the eye can follow: each as wide as its widest cell, two spaces between, no lines.
class Table {
  public:
    explicit Table(std::vector<std::string> header);
    /// As many cells as the header has.
    void add(std::vector<std::string> row);
    /// Ends in a newline; no trailing spaces.
    std::string render() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

/// Code points of UTF-8 text, which is its width but for wide and combining characters.
std::size_t display_width(std::string_view text);
/// The first `width` code points.
std::string_view cut_to_width(std::string_view text, std::size_t width);

}  // namespace banger::cli
