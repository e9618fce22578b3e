#pragma once

#include <cstddef>
#include <string_view>

namespace banger::guest {

inline constexpr std::string_view kClientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Finds the client's preface in a stream that may begin with the tail of an earlier session, and
/// counts pokes on the way.
class PrefaceScanner {
  public:
    /// Looks at bytes up to the end of the preface; tells how many it took. Once found() it takes
    /// none.
    std::size_t feed(std::string_view bytes);
    bool found() const { return matched_ == kClientPreface.size(); }
    /// True once per kPoke zero bytes in a row.
    bool take_poke();

  private:
    std::size_t matched_ = 0;
    std::size_t zeros_ = 0;
    bool poked_ = false;
};

}  // namespace banger::guest
