#pragma once

namespace SQLite {
class Database;
}

namespace banger::store {

/// Brings the database to this program's version, each step in a transaction of its own, forward
/// only. The version is SQLite's user_version. Throws Error{unsupported} for a version from the
/// future.
void migrate(SQLite::Database& database);

/// The version that migrate() leads to.
int schema_version();

}  // namespace banger::store
