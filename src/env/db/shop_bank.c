/* shop_bank.c - the example shop's tables and what it sells. */
#include "env/db/shop_bank.h"
#include <stddef.h>

const char db_shop_schema[] =
    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA page_size=4096;"
    "CREATE TABLE categories (category_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " department TEXT NOT NULL);"
    "CREATE TABLE suppliers (supplier_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " country TEXT NOT NULL, email TEXT, rating REAL, since INTEGER NOT NULL);"
    "CREATE TABLE products (product_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " category_id INTEGER NOT NULL REFERENCES categories(category_id),"
    " supplier_id INTEGER NOT NULL REFERENCES suppliers(supplier_id), price REAL NOT NULL,"
    " cost REAL NOT NULL, stock INTEGER NOT NULL, colour TEXT, weight_kg REAL, added_on DATE NOT "
    "NULL);"
    "CREATE TABLE employees (employee_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " job_title TEXT NOT NULL, city TEXT NOT NULL, salary REAL NOT NULL, hired_on DATE NOT NULL,"
    " manager_id INTEGER REFERENCES employees(employee_id));"
    "CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT "
    "NULL UNIQUE,"
    " phone TEXT, city TEXT NOT NULL, country TEXT NOT NULL, joined_on DATE NOT NULL,"
    " points INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE addresses (address_id INTEGER PRIMARY KEY,"
    " customer_id INTEGER NOT NULL REFERENCES customers(customer_id), street TEXT NOT NULL,"
    " postcode TEXT NOT NULL, city TEXT NOT NULL, country TEXT NOT NULL, kind TEXT NOT NULL);"
    "CREATE TABLE orders (order_id INTEGER PRIMARY KEY,"
    " customer_id INTEGER NOT NULL REFERENCES customers(customer_id),"
    " employee_id INTEGER REFERENCES employees(employee_id), placed_on DATE NOT NULL, status TEXT "
    "NOT NULL,"
    " channel TEXT NOT NULL, total REAL NOT NULL, note TEXT);"
    "CREATE TABLE order_items (order_item_id INTEGER PRIMARY KEY,"
    " order_id INTEGER NOT NULL REFERENCES orders(order_id),"
    " product_id INTEGER NOT NULL REFERENCES products(product_id), quantity INTEGER NOT NULL,"
    " unit_price REAL NOT NULL, discount INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE payments (payment_id INTEGER PRIMARY KEY,"
    " order_id INTEGER NOT NULL REFERENCES orders(order_id), method TEXT NOT NULL, amount REAL NOT "
    "NULL,"
    " paid_on DATE);"
    "CREATE TABLE shipments (shipment_id INTEGER PRIMARY KEY,"
    " order_id INTEGER NOT NULL REFERENCES orders(order_id), carrier TEXT NOT NULL,"
    " tracking_code TEXT NOT NULL UNIQUE, shipped_on DATE NOT NULL, delivered_on DATE);"
    "CREATE TABLE reviews (review_id INTEGER PRIMARY KEY,"
    " product_id INTEGER NOT NULL REFERENCES products(product_id),"
    " customer_id INTEGER NOT NULL REFERENCES customers(customer_id), rating INTEGER NOT NULL,"
    " title TEXT NOT NULL, comment TEXT, posted_on DATE NOT NULL);"
    "CREATE TABLE returns (return_id INTEGER PRIMARY KEY,"
    " order_item_id INTEGER NOT NULL REFERENCES order_items(order_item_id), reason TEXT NOT NULL,"
    " refund REAL, returned_on DATE NOT NULL);"
    "BEGIN;";

const char db_shop_indexes[] =
    "CREATE INDEX idx_products_category ON products(category_id);"
    "CREATE INDEX idx_addresses_customer ON addresses(customer_id);"
    "CREATE INDEX idx_orders_customer ON orders(customer_id);"
    "CREATE INDEX idx_items_order ON order_items(order_id);"
    "CREATE INDEX idx_items_product ON order_items(product_id);"
    "CREATE INDEX idx_payments_order ON payments(order_id);"
    "CREATE INDEX idx_shipments_order ON shipments(order_id);"
    "CREATE INDEX idx_reviews_product ON reviews(product_id);"
    "COMMIT;";

const db_shop_category db_shop_categories[DB_SHOP_CATEGORIES] = {
    {"Cookware",
     "Kitchen",
     14,
     160,
     1.6,
     {"Frying Pan", "Saucepan", "Casserole", "Wok", "Stockpot", "Griddle"}},
    {"Knives",
     "Kitchen",
     9,
     140,
     0.3,
     {"Chef's Knife", "Paring Knife", "Bread Knife", "Cleaver", "Knife Block"}},
    {"Tableware",
     "Kitchen",
     5,
     70,
     0.8,
     {"Dinner Plate", "Soup Bowl", "Mug", "Teapot", "Serving Dish", "Carafe"}},
    {"Coffee and Tea",
     "Kitchen",
     8,
     320,
     1.9,
     {"Coffee Grinder", "Espresso Maker", "Kettle", "French Press", "Tea Infuser"}},
    {"Baking",
     "Kitchen",
     4,
     60,
     0.7,
     {"Cake Tin", "Rolling Pin", "Baking Tray", "Whisk", "Mixing Bowl", "Muffin Tin"}},
    {"Bedding",
     "Home",
     15,
     180,
     1.4,
     {"Duvet Cover", "Pillowcase", "Blanket", "Mattress Topper", "Quilt"}},
    {"Bath",
     "Home",
     4,
     65,
     0.6,
     {"Bath Towel", "Bath Mat", "Soap Dish", "Shower Curtain", "Bathrobe"}},
    {"Lighting",
     "Home",
     12,
     240,
     1.8,
     {"Desk Lamp", "Floor Lamp", "Pendant Light", "Lantern", "Night Light"}},
    {"Rugs", "Home", 25, 420, 5.5, {"Wool Rug", "Runner", "Doormat", "Jute Rug", "Sheepskin"}},
    {"Storage",
     "Home",
     6,
     150,
     2.2,
     {"Basket", "Shelf", "Coat Rack", "Storage Box", "Drawer Organiser", "Laundry Bin"}},
    {"Chairs",
     "Furniture",
     45,
     390,
     7.5,
     {"Armchair", "Dining Chair", "Stool", "Rocking Chair", "Office Chair"}},
    {"Tables",
     "Furniture",
     60,
     690,
     19,
     {"Side Table", "Dining Table", "Coffee Table", "Writing Desk", "Console"}},
    {"Garden Tools",
     "Garden",
     7,
     130,
     1.5,
     {"Spade", "Rake", "Pruning Shears", "Trowel", "Watering Can", "Garden Fork"}},
    {"Plants and Pots",
     "Garden",
     3,
     95,
     2.4,
     {"Planter", "Flower Pot", "Herb Kit", "Hanging Basket", "Seed Tray"}},
    {"Barbecue",
     "Garden",
     9,
     540,
     9,
     {"Charcoal Grill", "Fire Bowl", "Grill Tongs", "Smoker Box", "Pizza Stone"}},
    {"Tents",
     "Outdoor",
     70,
     620,
     4.2,
     {"Dome Tent", "Tunnel Tent", "Tarp", "Bivouac", "Beach Shelter"}},
    {"Sleeping Bags",
     "Outdoor",
     30,
     340,
     1.5,
     {"Sleeping Bag", "Sleeping Mat", "Camping Pillow", "Hammock"}},
    {"Backpacks",
     "Outdoor",
     25,
     260,
     1.1,
     {"Daypack", "Trekking Pack", "Waist Pack", "Dry Bag", "Duffel"}},
    {"Hiking",
     "Outdoor",
     6,
     190,
     0.6,
     {"Trekking Poles", "Headlamp", "Compass", "Water Bottle", "Gaiters"}},
    {"Cycling",
     "Outdoor",
     8,
     210,
     0.7,
     {"Helmet", "Pannier", "Floor Pump", "Rear Light", "Bottle Cage", "Bell"}},
    {"Board Games",
     "Leisure",
     9,
     85,
     0.9,
     {"Strategy Game", "Card Game", "Dice Game", "Word Game", "Puzzle"}},
    {"Crafts",
     "Leisure",
     4,
     75,
     0.5,
     {"Knitting Kit", "Sketchbook", "Watercolour Set", "Loom", "Candle Kit"}},
    {"Stationery",
     "Leisure",
     2,
     60,
     0.2,
     {"Notebook", "Fountain Pen", "Desk Pad", "Letter Set", "Planner"}},
    {"Pet Supplies",
     "Leisure",
     3,
     120,
     1.3,
     {"Dog Bed", "Cat Tree", "Food Bowl", "Leash", "Scratching Post"}},
};
