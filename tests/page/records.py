"""The records of the page's own database."""


def damage(page, store, change):
    """Damages each record of a store of the page's database. A value of null takes a member away."""
    page.evaluate("""([store, change]) => new Promise((done, fail) => {
        const open = indexedDB.open("dgon");
        open.onerror = () => fail(open.error);
        open.onsuccess = () => {
            const tx = open.result.transaction(store, "readwrite");
            const all = tx.objectStore(store).getAll();
            all.onsuccess = () => all.result.forEach(x => {
                for (const [key, value] of Object.entries(change)) if (value === null) delete x[key]; else x[key] = value;
                tx.objectStore(store).put(x);
            });
            tx.oncomplete = () => { open.result.close(); done(); };
            tx.onabort = () => fail(tx.error);
        };
    })""", [store, change])
