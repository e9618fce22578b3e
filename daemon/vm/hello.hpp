#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/types.hpp"

namespace banger::vm {

/// The first thing a guest's agent says; protocol.hpp, HELLO.
struct Hello {
    int version = 0;
    std::string boot_id;
    std::string init;                     ///< "banger" or "image": who is PID 1
    std::vector<api::BootMark> timeline;  ///< milliseconds since the kernel started
};
BOOST_DESCRIBE_STRUCT(Hello, (), (version, boot_id, init, timeline))

/// Finds the hello line in a stream that may begin with the tail of an earlier session.
class HelloScanner {
  public:
    /// The hello once it is complete. Throws Error{unsupported} for a version that is not ours; a
    /// line that only looks like a hello is passed over.
    std::optional<Hello> feed(std::string_view bytes);
    /// What came behind the hello line.
    const std::string& rest() const { return buffer_; }

  private:
    std::optional<Hello> take_line();
    std::string buffer_;
};

}  // namespace banger::vm
