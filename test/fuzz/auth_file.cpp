#include "pipelines/image/registry/auth_file.hpp"

#include "pipelines/io/error.hpp"
#include "test/fuzz/fuzz.hpp"

using namespace banger;

/// The input as a file of logins, and as what a credential helper prints.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    try {
        const auto file = image::parse_auth_file(text);
        image::find_login(file, image::login_names("docker.io", "library/debian"));
        image::find_login(file, image::login_names("a.example:5000", "b/c"));
        for (const auto& [key, credential] : file.logins)
            image::normalized_login_key(key);
        if (const auto call = image::find_helper(file, "a.example:5000")) {
            fuzz::promise(call->program.find('/') == std::string::npos);
        }
        fuzz::accept();
    } catch (const Error&) {
    }
    try {
        // Any object is an answer; only one with a login in it says something.
        if (!image::parse_helper_answer(text).empty()) fuzz::accept();
    } catch (const Error&) {
    }
    return 0;
}
