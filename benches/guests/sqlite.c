/* SQLite at work, and a function called from the middle of a query that dies. */
#include <stdio.h>
#include "sqlite3.h"

static int divide(int amount, int parts) {
    if (!parts) __builtin_trap();
    return amount / parts;
}

static void share(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    sqlite3_result_int(context, divide(sqlite3_value_int(values[0]), sqlite3_value_int(values[1])));
}

int main(void) {
    sqlite3 *db;
    char *problem = NULL;
    if (sqlite3_open(":memory:", &db)) return 2;
    sqlite3_create_function(db, "share", 2, SQLITE_UTF8, NULL, share, NULL, NULL);
    int status = sqlite3_exec(db,
        "create table account(id integer primary key, owner text, amount int);"
        "create table entry(account int references account, parts int);"
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)"
        " insert into account select i, 'owner ' || i, i * 17 % 1009 from n;"
        "create trigger checked after insert on entry begin"
        " update account set amount = (select sum(share(amount, new.parts)) from account where id >= new.account) where id = new.account;"
        " end;"
        "insert into entry values (3, 4), (5, 0);", NULL, NULL, &problem);
    printf("%d %s\n", status, problem ? problem : "");
    return status;
}
