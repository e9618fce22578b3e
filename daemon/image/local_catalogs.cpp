#include "daemon/image/local_catalogs.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <map>

#include "catalog/minisign.hpp"
#include "daemon/image/catalog_copy.hpp"
#include "daemon/image/names.hpp"
#include "pipelines/bundle/url_blob.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/shield.hpp"

namespace banger::catalog {
namespace {

constexpr std::size_t kMaxSignature = 16 * 1024;
constexpr std::string_view kBuiltIn = "banger-";

/// What is known of one catalog at the moment.
struct Loaded {
    CatalogCopy copy;
    std::optional<Catalog> catalog;
    std::string refreshed_at;
    std::string problem;
    bool was_read = false;  ///< the copy on disk
};

std::string expiry_problem(const std::string& name, const Catalog& catalog) {
    if (!catalog.is_expired(std::chrono::system_clock::now())) return {};
    return fmt::format("catalog '{}' has expired on {}; run `banger catalog refresh {}`", name,
                       catalog.expires, name);
}

api::CatalogInfo describe(const std::string& name, const Catalog& catalog) {
    api::CatalogInfo info;
    info.name = name;
    info.type = catalog.type;
    info.version = catalog.version;
    info.expires = catalog.expires;
    info.entries = catalog.entries.size();
    return info;
}

api::CatalogInfo describe(const Loaded& loaded) {
    const auto& config = loaded.copy.config();
    auto info = loaded.catalog ? describe(config.name, *loaded.catalog) : api::CatalogInfo{};
    info.name = config.name;
    info.url = config.url;
    info.keys = config.keys;
    info.refreshed_at = loaded.refreshed_at;
    info.problem = loaded.problem;
    if (info.problem.empty() && loaded.catalog) {
        info.problem = expiry_problem(config.name, *loaded.catalog);
    }
    return info;
}

api::AvailableEntry to_available(const Entry& entry, const std::string& catalog) {
    return {.name = entry.name,
            .distribution = entry.distribution,
            .release = entry.release,
            .arch = entry.arch,
            .version = entry.version,
            .kind = entry.kind,
            .url = entry.url,
            .sha256 = entry.sha256,
            .size = entry.size,
            .description = entry.description,
            .kernel_ref = entry.kernel_ref,
            .catalog = catalog};
}

class LocalCatalogs final : public CatalogService {
  public:
    explicit LocalCatalogs(CatalogServiceParts parts) : parts_(std::move(parts)) {
        for (const auto& config : parts_.catalogs)
            catalogs_.push_back(
                std::make_shared<Loaded>(Loaded{CatalogCopy(parts_.paths, config)}));
    }

    Task<void> reconcile() override {
        co_await run_blocking(parts_.pool,
                              [&](std::stop_token) { CatalogCopy::sweep_blocking(parts_.paths); });
    }

    Task<std::vector<api::CatalogInfo>> list() override {
        co_await read_copies();
        std::vector<api::CatalogInfo> all;
        for (const auto type : {kImages, kKernels})
            all.push_back(
                describe(std::string(kBuiltIn) + std::string(type), embedded_catalog(type)));
        for (const auto& loaded : catalogs_)
            all.push_back(describe(*loaded));
        co_return all;
    }

    Task<api::CatalogInfo> add(api::CatalogAddRequest request) override {
        check_name("catalog", request.name);
        check_url(request.url);
        const bool is_file = request.url.starts_with("file://");
        if (request.keys.empty() && !is_file) {
            fail(Errc::invalid_argument,
                 "a catalog that is fetched over the network needs the key that signs it: --key");
        }
        for (const auto& key : request.keys)
            parse_public_key(key);
        check_free(request.name);
        auto loaded = std::make_shared<Loaded>(
            Loaded{CatalogCopy(parts_.paths, {request.name, request.url, request.keys})});
        co_await fetch(*loaded);
        check_free(request.name);
        co_await shielded(publish(loaded));
        co_return describe(*loaded);
    }

    Task<std::vector<api::CatalogInfo>> refresh(std::optional<std::string> name) override {
        std::vector<std::shared_ptr<Loaded>> wanted = catalogs_;
        if (name) wanted = {find_catalog(*name)};
        std::exception_ptr failure;
        std::vector<api::CatalogInfo> infos;
        for (const auto& loaded : wanted) {
            try {
                co_await fetch(*loaded);
            } catch (const Error& error) {
                loaded->problem = error.what();
                if (!failure) failure = std::current_exception();
            }
            infos.push_back(describe(*loaded));
        }
        if (failure) std::rethrow_exception(failure);
        co_return infos;
    }

    Task<void> remove(std::string name) override {
        const auto loaded = find_catalog(name);
        co_await shielded(forget(loaded));
    }

    Task<std::optional<api::AvailableEntry>> find(std::string_view type,
                                                  std::string name) override {
        co_await make_ready();
        for (auto loaded = catalogs_.rbegin(); loaded != catalogs_.rend(); ++loaded) {
            const auto& catalog = (*loaded)->catalog;
            const auto* entry =
                catalog && catalog->type == type ? find_entry(*catalog, name) : nullptr;
            if (!entry) continue;
            const auto& catalog_name = (*loaded)->copy.config().name;
            if (const auto problem = expiry_problem(catalog_name, *catalog); !problem.empty()) {
                fail(Errc::unavailable, "{}", problem);
            }
            co_return to_available(*entry, catalog_name);
        }
        if (const auto* entry = find_entry(embedded_catalog(type), name)) {
            co_return to_available(*entry, std::string(kBuiltIn) + std::string(type));
        }
        co_return std::nullopt;
    }

    Task<std::vector<api::AvailableEntry>> entries(std::string_view type) override {
        co_await make_ready();
        std::map<std::string, api::AvailableEntry> by_name;
        const auto take = [&](const Catalog& catalog, const std::string& name) {
            for (const auto& entry : catalog.entries) {
                if (entry.arch == kHostArch) by_name[entry.name] = to_available(entry, name);
            }
        };
        take(embedded_catalog(type), std::string(kBuiltIn) + std::string(type));
        for (const auto& loaded : catalogs_) {
            if (!loaded->catalog || loaded->catalog->type != type) continue;
            take(*loaded->catalog, loaded->copy.config().name);
        }
        std::vector<api::AvailableEntry> all;
        all.reserve(by_name.size());
        for (auto& [name, entry] : by_name)
            all.push_back(std::move(entry));
        co_return all;
    }

  private:
    static const Entry* find_entry(const Catalog& catalog, const std::string& name) {
        const auto found = std::ranges::find_if(catalog.entries, [&](const Entry& entry) {
            return entry.name == name && entry.arch == kHostArch;
        });
        return found == catalog.entries.end() ? nullptr : &*found;
    }

    void check_free(const std::string& name) const {
        if (name.starts_with(kBuiltIn)) {
            fail(Errc::invalid_argument, "names that begin with '{}' are the program's own",
                 kBuiltIn);
        }
        for (const auto& loaded : catalogs_) {
            if (loaded->copy.config().name != name) continue;
            fail(Errc::already_exists, "there is a catalog named '{}' already", name);
        }
    }

    std::shared_ptr<Loaded> find_catalog(const std::string& name) const {
        std::vector<std::string> names;
        for (const auto& loaded : catalogs_) {
            names.push_back(loaded->copy.config().name);
            if (names.back() == name) return loaded;
        }
        if (name.starts_with(kBuiltIn)) {
            fail(Errc::invalid_argument, "catalog '{}' is part of the program", name);
        }
        fail_unknown("catalog", name, names);
    }

    /// Reads what was kept, once after the start.
    Task<void> read_copies() {
        const auto all = catalogs_;
        for (const auto& loaded : all) {
            if (std::exchange(loaded->was_read, true)) continue;
            co_await run_blocking(parts_.pool, [&](std::stop_token) {
                try {
                    loaded->catalog = loaded->copy.load_blocking();
                    loaded->refreshed_at = loaded->copy.refreshed_at_blocking();
                    if (!loaded->catalog) loaded->problem = "it was never fetched";
                } catch (const Error& error) {
                    loaded->problem = error.what();
                }
            });
        }
    }

    /// Fetches what has no copy that is good for anything. What fails is logged and shows in the
    /// list; the other catalogs are none the worse.
    Task<void> make_ready() {
        co_await read_copies();
        const auto all = catalogs_;
        for (const auto& loaded : all) {
            const auto& name = loaded->copy.config().name;
            if (loaded->catalog && expiry_problem(name, *loaded->catalog).empty()) continue;
            try {
                co_await fetch(*loaded);
            } catch (const Error& error) {
                loaded->problem = error.what();
                spdlog::warn("{}", error.what());
            }
        }
    }

    Task<void> fetch(Loaded& loaded) {
        const auto config = loaded.copy.config();
        check_url(config.url);
        SignedText copy;
        copy.text = co_await bundle::fetch_text(parts_.executor, config.url, kMaxCatalogBytes,
                                                parts_.settings);
        if (!config.keys.empty()) {
            copy.signature = co_await bundle::fetch_text(parts_.executor, config.url + ".minisig",
                                                         kMaxSignature, parts_.settings);
        }
        co_await run_blocking(parts_.pool, [&](std::stop_token) {
            auto catalog = loaded.copy.check_blocking(copy);
            if (catalog.is_expired(std::chrono::system_clock::now())) {
                fail(Errc::unavailable,
                     "catalog '{}' has expired on {}; its publisher has to sign "
                     "a new one",
                     config.name, catalog.expires);
            }
            loaded.copy.keep_blocking(copy, catalog);
            loaded.refreshed_at = loaded.copy.refreshed_at_blocking();
            loaded.catalog = std::move(catalog);
        });
        loaded.problem.clear();
        loaded.was_read = true;
    }

    Task<void> publish(std::shared_ptr<Loaded> loaded) {
        co_await run_blocking(parts_.pool, [&](std::stop_token) {
            add_config_catalog(parts_.paths.config_file, loaded->copy.config());
        });
        catalogs_.push_back(loaded);
    }

    Task<void> forget(std::shared_ptr<Loaded> loaded) {
        co_await run_blocking(parts_.pool, [&](std::stop_token) {
            remove_config_catalog(parts_.paths.config_file, loaded->copy.config().name);
            loaded->copy.forget_blocking();
        });
        std::erase(catalogs_, loaded);
    }

    CatalogServiceParts parts_;
    std::vector<std::shared_ptr<Loaded>> catalogs_;  ///< in the order of config.toml
};

}  // namespace

std::unique_ptr<CatalogService> make_catalog_service(CatalogServiceParts parts) {
    return std::make_unique<LocalCatalogs>(std::move(parts));
}

}  // namespace banger::catalog
