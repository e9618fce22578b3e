#include "daemon/store/migrations.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <array>

#include "pipelines/io/error.hpp"

namespace banger::store {
namespace {

// Never edited once released: a change is a new entry at the end.
constexpr std::array kMigrations{
    R"(CREATE TABLE images (
           key TEXT PRIMARY KEY NOT NULL, name TEXT UNIQUE NOT NULL, document TEXT NOT NULL) STRICT;
       CREATE TABLE kernels (
           key TEXT PRIMARY KEY NOT NULL, name TEXT UNIQUE NOT NULL, document TEXT NOT NULL) STRICT;
       CREATE TABLE vms (
           key TEXT PRIMARY KEY NOT NULL, name TEXT UNIQUE NOT NULL, document TEXT NOT NULL) STRICT;)",
};

}  // namespace

int schema_version() {
    return static_cast<int>(kMigrations.size());
}

void migrate(SQLite::Database& database) {
    const int found = database.execAndGet("PRAGMA user_version").getInt();
    if (found > schema_version()) {
        fail(Errc::unsupported,
             "the database {} is of version {}, made by a newer banger; this one knows up to {}",
             database.getFilename(), found, schema_version());
    }
    for (int version = found; version < schema_version(); ++version) {
        SQLite::Transaction transaction(database);
        database.exec(kMigrations.at(static_cast<std::size_t>(version)));
        database.exec(fmt::format("PRAGMA user_version = {}", version + 1));
        transaction.commit();
    }
}

}  // namespace banger::store
