#include "daemon/store/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>

#include "daemon/store/migrations.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/utf8.hpp"

namespace banger::store {
namespace {

std::string_view table_name(Table table) {
    switch (table) {
        case Table::images:
            return "images";
        case Table::kernels:
            return "kernels";
        case Table::vms:
            return "vms";
    }
    return "";
}

[[noreturn]] void rethrow(const SQLite::Exception& error, const std::string& path) {
    switch (error.getErrorCode()) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            fail(Errc::internal, "the database {} is damaged ({}); it was left as it is", path,
                 error.what());
        case SQLITE_FULL:
            fail(Errc::no_space, "no space left for the database {}", path);
        default:
            fail(Errc::internal, "database {}: {}", path, error.what());
    }
}

// What guests and images say comes here too, as any bytes; JSON of other bytes than UTF-8 cannot be
// parsed again.
std::string to_text(const boost::json::value& document) {
    return replace_invalid_utf8(boost::json::serialize(document));
}

// One bad row must not make its table unreadable: its document is null.
Record read_row(SQLite::Statement& query) {
    boost::system::error_code error;
    auto text = replace_invalid_utf8(query.getColumn(2).getString());
    auto document = boost::json::parse(text, error);
    return {.key = query.getColumn(0).getString(),
            .name = query.getColumn(1).getString(),
            .document = error ? boost::json::value() : std::move(document)};
}

class SqliteStore final : public Store {
  public:
    explicit SqliteStore(const std::string& path)
        : path_(path), database_(open(path)), thread_(1) {}

    Task<std::vector<Record>> list(Table table) override {
        co_return co_await on_thread([this, table] {
            SQLite::Statement query(database_, select(table) + " ORDER BY rowid");
            std::vector<Record> records;
            while (query.executeStep())
                records.push_back(read_row(query));
            return records;
        });
    }

    Task<std::optional<Record>> find_by_key(Table table, std::string key) override {
        return find(select(table) + " WHERE key = ?", std::move(key));
    }

    Task<std::optional<Record>> find_by_name(Table table, std::string name) override {
        return find(select(table) + " WHERE name = ?", std::move(name));
    }

    Task<void> insert(Table table, Record record) override {
        co_await on_thread([this, table, &record] {
            SQLite::Statement statement(
                database_, fmt::format("INSERT INTO {} (key, name, document) VALUES (?, ?, ?)",
                                       table_name(table)));
            statement.bind(1, record.key);
            statement.bind(2, record.name);
            statement.bind(3, to_text(record.document));
            execute_unique(statement, table, record.name);
        });
    }

    Task<void> update(Table table, Record record) override {
        co_await on_thread([this, table, &record] {
            SQLite::Statement statement(
                database_, fmt::format("UPDATE {} SET name = ?, document = ? WHERE key = ?",
                                       table_name(table)));
            statement.bind(1, record.name);
            statement.bind(2, to_text(record.document));
            statement.bind(3, record.key);
            if (execute_unique(statement, table, record.name) == 0) {
                fail(Errc::not_found, "no record {} among the {}", record.key, table_name(table));
            }
        });
    }

    Task<bool> erase(Table table, std::string key) override {
        co_return co_await on_thread([this, table, &key] {
            SQLite::Statement statement(
                database_, fmt::format("DELETE FROM {} WHERE key = ?", table_name(table)));
            statement.bind(1, key);
            return statement.exec() > 0;
        });
    }

    void close_blocking() override { thread_.join(); }

  private:
    static SQLite::Database open(const std::string& path) {
        try {
            SQLite::Database database(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
            database.setBusyTimeout(5000);
            // Pragmas of a connection, so they stand with its making.
            database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
            migrate(database);
            return database;
        } catch (const SQLite::Exception& error) {
            rethrow(error, path);
        }
    }

    static std::string select(Table table) {
        return fmt::format("SELECT key, name, document FROM {}", table_name(table));
    }

    // The connection is touched by this one thread only.
    template <class Fn>
    Task<std::invoke_result_t<Fn>> on_thread(Fn fn) {
        auto guarded = [this, fn](std::stop_token) {
            try {
                return fn();
            } catch (const SQLite::Exception& error) {
                rethrow(error, path_);
            }
        };
        co_return co_await run_blocking(thread_, guarded);
    }

    Task<std::optional<Record>> find(std::string sql, std::string value) {
        co_return co_await on_thread([this, &sql, &value] {
            SQLite::Statement query(database_, sql);
            query.bind(1, value);
            std::optional<Record> record;
            if (query.executeStep()) record = read_row(query);
            return record;
        });
    }

    static int execute_unique(SQLite::Statement& statement, Table table, const std::string& name) {
        try {
            return statement.exec();
        } catch (const SQLite::Exception& error) {
            if (error.getErrorCode() != SQLITE_CONSTRAINT) throw;
            std::string_view kind = table_name(table);
            kind.remove_suffix(1);
            fail(Errc::already_exists, "there is a{} {} named '{}' already",
                 table == Table::images ? "n" : "", kind, name);
        }
    }

    std::string path_;
    SQLite::Database database_;
    BlockingPool thread_;
};

}  // namespace

std::unique_ptr<Store> Store::open_blocking(const std::string& path) {
    return std::make_unique<SqliteStore>(path);
}

}  // namespace banger::store
