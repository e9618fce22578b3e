#include "pipelines/image/registry/challenge.hpp"

#include <array>

#include "pipelines/io/error.hpp"
#include "test/fuzz/fuzz.hpp"

using namespace banger;

/// The header twice, as a line of its own each: line ends divide the input.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(fuzz::as_text(data, size));
    const auto end = std::min(text.find('\n'), text.size());
    const std::array<std::string, 2> fields = {text.substr(0, end),
                                               text.substr(std::min(end + 1, text.size()))};
    try {
        for (const auto& challenge : image::parse_challenges(fields)) {
            for (const char c : challenge.scheme)
                fuzz::promise(c < 'A' || c > 'Z');
            for (const auto& [name, value] : challenge.parameters)
                fuzz::promise(challenge.find(name).has_value());
            // A scheme is taken without what could not be read behind it.
            if (!challenge.parameters.empty()) fuzz::accept();
        }
    } catch (const Error&) {
    }
    return 0;
}
