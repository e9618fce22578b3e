#include <SQLiteCpp/SQLiteCpp.h>

#include <fstream>

#include "daemon/store/migrations.hpp"
#include "daemon/store/store.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using store::Record;
using store::Store;
using store::Table;
using test::run_task;

namespace {

Record record(std::string key, std::string name) {
    return {.key = std::move(key), .name = std::move(name), .document = {{"size", 7}}};
}

Errc code_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.code();
    }
    return Errc{};
}

}  // namespace

TEST_CASE("what was inserted is there after reopening the database") {
    test::TempDir dir;
    auto store = Store::open_blocking(dir / "b.db");
    run_task(store->insert(Table::vms, record("k1", "box")));
    store->close_blocking();
    store.reset();

    auto again = Store::open_blocking(dir / "b.db");
    const auto found = run_task(again->find_by_name(Table::vms, "box"));

    REQUIRE(found.has_value());
    CHECK(found->key == "k1");
    CHECK(found->document.at("size").as_int64() == 7);
    CHECK(run_task(again->list(Table::images)).empty());
    again->close_blocking();
}

TEST_CASE("a name or key that is taken is refused and changes nothing") {
    test::TempDir dir;
    auto store = Store::open_blocking(dir / "b.db");
    run_task(store->insert(Table::vms, record("k1", "box")));
    run_task(store->insert(Table::vms, record("k2", "crate")));

    CHECK(code_of([&] { run_task(store->insert(Table::vms, record("k3", "box"))); }) ==
          Errc::already_exists);
    CHECK(code_of([&] { run_task(store->insert(Table::vms, record("k1", "other"))); }) ==
          Errc::already_exists);
    CHECK(code_of([&] { run_task(store->update(Table::vms, record("k2", "box"))); }) ==
          Errc::already_exists);

    const auto records = run_task(store->list(Table::vms));
    REQUIRE(records.size() == 2);
    CHECK(records[0].name == "box");
    CHECK(records[1].name == "crate");
    store->close_blocking();
}

TEST_CASE("updating or erasing what is not there says so") {
    test::TempDir dir;
    auto store = Store::open_blocking(dir / "b.db");

    CHECK(code_of([&] { run_task(store->update(Table::kernels, record("k", "n"))); }) ==
          Errc::not_found);
    CHECK_FALSE(run_task(store->erase(Table::kernels, "k")));

    run_task(store->insert(Table::kernels, record("k", "n")));
    CHECK(run_task(store->erase(Table::kernels, "k")));
    CHECK_FALSE(run_task(store->find_by_key(Table::kernels, "k")).has_value());
    store->close_blocking();
}

TEST_CASE("bytes that are no UTF-8 leave the table readable") {
    test::TempDir dir;
    {
        auto store = Store::open_blocking(dir / "b.db");
        auto written = record("k1", "box");
        written.document.as_object()["error"] = "kernel panic: \xff\xc3";
        run_task(store->insert(Table::vms, written));
        run_task(store->update(Table::vms, written));
        store->close_blocking();
    }
    // As an earlier banger has written it.
    SQLite::Database(dir / "b.db", SQLite::OPEN_READWRITE)
        .exec(
            "INSERT INTO vms (key, name, document) VALUES ('k2', 'crate', "
            "'{\"error\":\"' || CAST(x'61ff62' AS TEXT) || '\"}')");

    auto store = Store::open_blocking(dir / "b.db");
    const auto found = run_task(store->list(Table::vms));

    REQUIRE(found.size() == 2);
    CHECK(found[0].document.at("error") == "kernel panic: \xef\xbf\xbd\xef\xbf\xbd");
    CHECK(found[1].document.at("error") ==
          "a\xef\xbf\xbd"
          "b");
    store->close_blocking();
}

TEST_CASE("a database of a newer banger is refused and left as it is") {
    test::TempDir dir;
    {
        SQLite::Database newer(dir / "b.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        newer.exec("PRAGMA user_version = " + std::to_string(store::schema_version() + 1));
    }

    CHECK(code_of([&] { Store::open_blocking(dir / "b.db"); }) == Errc::unsupported);

    SQLite::Database after(dir / "b.db");
    CHECK(after.execAndGet("PRAGMA user_version").getInt() == store::schema_version() + 1);
    CHECK_FALSE(after.tableExists("vms"));
}

TEST_CASE("a file that is no database is refused and left as it is") {
    test::TempDir dir;
    const std::string junk(8192, 'x');
    std::ofstream(dir / "b.db") << junk;

    CHECK_THROWS_WITH(Store::open_blocking(dir / "b.db"), test::ContainsSubstring("is damaged"));

    std::ifstream in(dir / "b.db");
    CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == junk);
}
