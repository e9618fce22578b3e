#include "daemon/image/catalog_copy.hpp"

#include <boost/describe.hpp>
#include <filesystem>

#include "catalog/minisign.hpp"
#include "daemon/image/directories.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/time.hpp"

namespace banger::catalog {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSignature = ".minisig";
constexpr std::size_t kMaxSignature = 16 * 1024;

/// What is remembered of a catalog, come what may.
struct Seen {
    std::uint64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(Seen, (), (version))

std::string copies(const Paths& paths) {
    return paths.cache + "/catalogs";
}

std::string versions_seen(const Paths& paths) {
    return paths.state + "/catalogs";
}

std::string what(const CatalogConfig& config) {
    return "catalog '" + config.name + "'";
}

}  // namespace

CatalogCopy::CatalogCopy(const Paths& paths, CatalogConfig config)
    : config_(std::move(config)),
      file_(copies(paths) + "/" + config_.name + ".json"),
      seen_(versions_seen(paths) + "/" + config_.name + ".json") {}

void CatalogCopy::sweep_blocking(const Paths& paths) {
    sweep_temporaries_blocking(copies(paths));
    sweep_temporaries_blocking(versions_seen(paths));
}

Catalog CatalogCopy::check_blocking(const SignedText& copy) const {
    if (!config_.keys.empty()) {
        std::vector<PublicKey> keys;
        keys.reserve(config_.keys.size());
        for (const auto& key : config_.keys)
            keys.push_back(parse_public_key(key));
        verify_signature(copy.text, copy.signature, keys, what(config_));
    }
    auto catalog = parse_catalog(copy.text, what(config_));
    if (const auto seen = seen_blocking(); catalog.version < seen) {
        fail(Errc::conflict,
             "{} is of version {}, but version {} was seen already; somebody may be "
             "serving an old one",
             what(config_), catalog.version, seen);
    }
    return catalog;
}

void CatalogCopy::keep_blocking(const SignedText& copy, const Catalog& catalog) const {
    make_directories_blocking(fs::path(seen_).parent_path());
    make_directories_blocking(fs::path(file_).parent_path());
    if (catalog.version > seen_blocking()) {
        const Seen seen{catalog.version};
        write_file_atomically(seen_, boost::json::serialize(to_json(seen)) + "\n", 0600);
    }
    write_file_atomically(file_ + kSignature, copy.signature, 0600);
    write_file_atomically(file_, copy.text, 0600);
}

std::optional<Catalog> CatalogCopy::load_blocking() const {
    if (!fs::exists(file_)) return std::nullopt;
    SignedText copy{read_file(file_, kMaxCatalogBytes), {}};
    if (!config_.keys.empty()) copy.signature = read_file(file_ + kSignature, kMaxSignature);
    return check_blocking(copy);
}

std::string CatalogCopy::refreshed_at_blocking() const {
    std::error_code error;
    const auto time = fs::last_write_time(file_, error);
    if (error) return {};
    return to_rfc3339(std::chrono::file_clock::to_sys(time));
}

void CatalogCopy::forget_blocking() const {
    std::error_code ignored;
    for (const auto& file : {file_, file_ + kSignature, seen_})
        fs::remove(file, ignored);
}

std::uint64_t CatalogCopy::seen_blocking() const {
    if (!fs::exists(seen_)) return 0;
    return from_json<Seen>(parse_json(read_file(seen_), seen_), seen_).version;
}

}  // namespace banger::catalog
