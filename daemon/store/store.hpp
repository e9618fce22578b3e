#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/io/task.hpp"

namespace banger {
class BlockingPool;
}

namespace banger::store {

/// A kind of thing the daemon remembers, one table each.
enum class Table { images, kernels, vms };

/// One remembered thing: a key that is unique within its table, a name that is unique too, and a
/// JSON document whose shape its service owns (unknown members are kept out of the way of older
/// readers). A document that is no JSON any more reads as null.
struct Record {
    std::string key;
    std::string name;
    boost::json::value document;
};

/// The daemon's memory: SQLite in WAL mode with synchronous=FULL, one connection used by one
/// thread. Every call is a transaction and is durable when it returns. Versioned migrations,
/// forward only; a database from a newer banger or a corrupt file is refused with a sentence and
/// left untouched.
class Store {
  public:
    /// Opens or makes `path`. Blocks; call before the loop runs.
    static std::unique_ptr<Store> open_blocking(const std::string& path);
    virtual ~Store() = default;

    virtual Task<std::vector<Record>> list(Table table) = 0;
    virtual Task<std::optional<Record>> find_by_key(Table table, std::string key) = 0;
    virtual Task<std::optional<Record>> find_by_name(Table table, std::string name) = 0;
    /// Throws Error{already_exists} when key or name is taken.
    virtual Task<void> insert(Table table, Record record) = 0;
    /// Replaces the record of that key; throws Error{not_found}, or {already_exists} for a taken
    /// name.
    virtual Task<void> update(Table table, Record record) = 0;
    /// True when there was one.
    virtual Task<bool> erase(Table table, std::string key) = 0;
    virtual void close_blocking() = 0;
};

}  // namespace banger::store
