#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

/// One server-sent event (WHATWG HTML, section 9.2).
struct SseEvent {
    std::string name;  ///< "message" when the stream gave none
    std::string data;  ///< lines joined by "\n"
};

/// Bytes in, whole events out, however the bytes are cut. Lines may end in LF or CRLF; comments,
/// ids and retry times are skipped.
class SseParser {
  public:
    std::vector<SseEvent> push(std::string_view bytes);

  private:
    void take_line(std::string_view line, std::vector<SseEvent>& events);

    std::string rest_;
    SseEvent event_;
    bool has_data_ = false;
};

}  // namespace banger::cli
