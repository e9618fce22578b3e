// banger-make-bundle: what `banger internal make-bundle` runs. It needs no daemon.

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <iostream>
#include <optional>

#include "pipelines/bundle/make_bundle.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/size.hpp"
#include "pipelines/io/uring.hpp"

namespace {

using namespace banger;

struct Arguments {
    bundle::MakeBundleOptions options;
    bool json = false;
};

/// Bytes as parse_size reads them, for CLI11 to read.
const CLI::Validator kSize(
    [](std::string& text) -> std::string {
        try {
            text = std::to_string(parse_size(text));
            return {};
        } catch (const Error& error) {
            return error.what();
        }
    },
    "SIZE");

void add_options(CLI::App& app, Arguments& arguments) {
    auto& options = arguments.options;
    auto& manifest = options.manifest;
    manifest.arch = "x86_64";
    auto* source = app.add_option_group("source");
    source->add_option("--rootfs-tar", options.rootfs_tar, "a tar of a file system, or -");
    source->add_option("--oci", options.oci, "an image: reference, oci:PATH[:TAG], …");
    source->require_option(1);
    app.add_option("--name", manifest.name, "such as debian-bookworm")->required();
    app.add_option("--distro", manifest.distribution, "such as debian");
    app.add_option("--release", manifest.release, "such as bookworm");
    app.add_option("--version", manifest.version, "of what is inside");
    app.add_option("--arch", manifest.arch)->check(CLI::IsMember({"x86_64"}));
    app.add_option("--kernel-ref", manifest.kernel_ref, "the kernel that it boots");
    app.add_option("--description", manifest.description, "a sentence");
    app.add_option("--size", options.size, "of the file system; default: by content")
        ->transform(kSize);
    app.add_option("--out", options.out, "directory for the bundle")->required();
    app.add_option("--level", options.level, "of zstd, 1 to 19")->check(CLI::Range(1, 19));
    app.add_flag("--json", arguments.json, "print JSON");
}

void check(const bundle::MakeBundleOptions& options) {
    const auto& name = options.manifest.name;
    if (name.find_first_of("/\n") != std::string::npos || name.starts_with('.')) {
        fail(Errc::invalid_argument, "'{}' is no name for an image", name);
    }
}

Task<bundle::WrittenBundle> make(BlockingPool& pool, bundle::MakeBundleOptions options) {
    const auto executor = co_await boost::asio::this_coro::executor;
    BufferPool buffers(7);
    std::string why_not;
    auto ring = Uring::try_make(executor, buffers, why_not);
    std::optional<bundle::WrittenBundle> written;
    std::exception_ptr failure;
    try {
        written = co_await bundle::make_bundle({executor, pool, buffers, ring.get()},
                                               std::move(options), {});
    } catch (const std::exception&) {
        failure = std::current_exception();
    }
    if (ring) co_await ring->close();
    if (failure) std::rethrow_exception(failure);
    co_return std::move(*written);
}

bundle::WrittenBundle run(const bundle::MakeBundleOptions& options) {
    boost::asio::io_context context{1};
    BlockingPool pool(8);
    std::optional<bundle::WrittenBundle> written;
    std::exception_ptr failure;
    boost::asio::co_spawn(context, make(pool, options),
                          [&](std::exception_ptr error, bundle::WrittenBundle result) {
                              failure = std::move(error);
                              written = std::move(result);
                          });
    context.run();
    pool.join();
    if (failure) std::rethrow_exception(failure);
    return *written;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    CLI::App app("makes a bundle of a file system", "banger internal make-bundle");
    add_options(app, arguments);
    CLI11_PARSE(app, argc, argv);
    try {
        check(arguments.options);
        const auto written = run(arguments.options);
        if (arguments.json) {
            std::cout << boost::json::serialize(to_json(written)) << "\n";
        } else {
            std::cout << written.path << "\n" << written.sha256 << "\n" << written.size << "\n";
        }
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "banger: " << error.what() << "\n";
        return 1;
    }
}
