#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "daemon/api/types.hpp"

namespace banger::api {

/// An exec's output as lines of JSON (ExecLine). A character that is cut by the end of a piece
/// waits for its rest; a piece that is no UTF-8 goes out as base64.
class ExecLines {
  public:
    std::string standard_out(std::span<const std::byte> bytes);
    std::string standard_error(std::span<const std::byte> bytes);
    /// What still waits, and the last line.
    std::string exited(int exit_code);
    std::string failed(ErrorBody error);

  private:
    using Member = std::optional<std::string> ExecLine::*;
    struct Stream {
        Member text;
        Member base64;
        std::string cut;  ///< up to three bytes
    };
    static std::string add(Stream& stream, std::span<const std::byte> bytes);
    static std::string line(const Stream& stream, std::string_view bytes);
    std::string flush();

    Stream out_{&ExecLine::standard_out, &ExecLine::standard_out_base64, {}};
    Stream error_{&ExecLine::standard_error, &ExecLine::standard_error_base64, {}};
};

}  // namespace banger::api
