#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

/// What libFuzzer calls with each input, and replay_main.cpp with each file of a corpus. An input
/// that is refused with banger::Error is fine; anything else that is thrown, a broken promise or a
/// sanitizer's finding ends the program. The target says by accept() that it took an input for what
/// it reads; of a file named bad-* it must not.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace banger::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// What must hold for every input, whatever the build.
inline void promise(bool holds) {
    if (!holds) std::abort();
}

/// Of the input of this run. What LLVMFuzzerTestOneInput returns means something else to libFuzzer.
inline bool accepted = false;

inline void accept() {
    accepted = true;
}

/// Takes choices off the front of an input; zeros once it is used up.
class Choices {
  public:
    explicit Choices(std::string_view bytes) : bytes_(bytes) {}

    bool empty() const { return bytes_.empty(); }
    unsigned next() {
        if (bytes_.empty()) return 0;
        const auto byte = static_cast<unsigned char>(bytes_.front());
        bytes_.remove_prefix(1);
        return byte;
    }
    std::string text(std::size_t size) {
        const auto part = bytes_.substr(0, size);
        bytes_.remove_prefix(part.size());
        return std::string(part);
    }

  private:
    std::string_view bytes_;
};

}  // namespace banger::fuzz
