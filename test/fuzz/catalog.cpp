#include "catalog/catalog.hpp"

#include "catalog/minisign.hpp"
#include "pipelines/io/error.hpp"
#include "test/fuzz/fuzz.hpp"

using namespace banger;

/// The first byte says what the rest is: a catalog, a public key or a signature.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto text = fuzz::as_text(data + 1, size - 1);
    try {
        if (data[0] % 3 == 0) {
            for (const auto& entry : catalog::parse_catalog(text, "it").entries)
                fuzz::promise(entry.name.find('/') == entry.name.npos && !entry.arch.empty());
        } else if (data[0] % 3 == 1) {
            fuzz::promise(catalog::key_id(catalog::parse_public_key(text)).size() == 16);
        } else {
            const catalog::PublicKey key;
            catalog::verify_signature("message", text, {key}, "it");
            fuzz::promise(false);
        }
        fuzz::accept();
    } catch (const Error&) {
    }
    return 0;
}
