#include "pipelines/image/registry/reference.hpp"

#include "pipelines/io/error.hpp"
#include "test/fuzz/fuzz.hpp"

using namespace banger;

/// A source that is understood means the same when it is read again from its canonical form.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    try {
        const auto reference = image::parse_reference(text);
        const auto canonical = reference.to_string();
        fuzz::promise(image::parse_reference(canonical).to_string() == canonical);
        fuzz::promise(!reference.api_host().empty() && !reference.manifest_name().empty());
        fuzz::accept();
    } catch (const Error&) {
    }
    try {
        fuzz::promise(!image::friendly_name(image::parse_source(text)).empty());
        fuzz::accept();
    } catch (const Error&) {
    }
    return 0;
}
