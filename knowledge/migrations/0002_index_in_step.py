"""Keep postings and statistics in step with ChunkTerms, whoever writes or deletes."""

from django.db import migrations

POSTINGS = """
ALTER TABLE knowledge_posting DROP CONSTRAINT knowledge_posting_pkey;
ALTER TABLE knowledge_posting
    ADD CONSTRAINT knowledge_posting_pkey
    PRIMARY KEY (collection_id, term, chunk_id) INCLUDE (count, length);
-- Candidates are read by index-only scans, which need the visibility map.
ALTER TABLE knowledge_posting SET (
    autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05
);
-- Small enough to stay in the row: a detoasted scan is several times slower.
ALTER TABLE knowledge_chunkterms ALTER COLUMN weights SET STORAGE MAIN;
ALTER TABLE knowledge_chunkterms ALTER COLUMN terms SET STORAGE MAIN;
ALTER TABLE knowledge_chunkvector ALTER COLUMN vector SET STORAGE MAIN;
ALTER TABLE knowledge_cachedembedding ALTER COLUMN vector SET STORAGE MAIN;
"""

POSTINGS_BACK = """
ALTER TABLE knowledge_posting DROP CONSTRAINT knowledge_posting_pkey;
ALTER TABLE knowledge_posting
    ADD CONSTRAINT knowledge_posting_pkey PRIMARY KEY (collection_id, term, chunk_id);
"""

TRIGGERS = """
CREATE FUNCTION knowledge_terms_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO knowledge_posting (collection_id, term, chunk_id, count, length)
    SELECT a.collection_id, t.term, a.chunk_id, t.count, a.length
    FROM added a, unnest(a.terms, a.counts) AS t(term, count)
    ORDER BY 1, 2, 3;

    INSERT INTO knowledge_statisticsdelta
        (collection_id, chunk_count, total_length, terms, chunk_counts)
    SELECT c.collection_id, c.chunks, c.total, d.terms, d.chunk_counts
    FROM (
        SELECT collection_id, count(*) AS chunks, sum(length) AS total
        FROM added GROUP BY collection_id
    ) c, LATERAL (
        SELECT coalesce(array_agg(term ORDER BY term), '{}') AS terms,
               coalesce(array_agg(df ORDER BY term), '{}') AS chunk_counts
        FROM (
            SELECT t.term, count(*) AS df
            FROM added a, unnest(a.terms) AS t(term)
            WHERE a.collection_id = c.collection_id
            GROUP BY t.term
        ) per_term
    ) d;
    RETURN NULL;
END $$;

-- Nested loops only: a plan that hashes all postings to delete one document's would be chosen from
-- the default estimates of unnest().
CREATE FUNCTION knowledge_terms_removed() RETURNS trigger LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM knowledge_posting p
    USING (
        SELECT r.collection_id, t.term, r.chunk_id FROM removed r, unnest(r.terms) AS t(term)
    ) x
    WHERE p.collection_id = x.collection_id AND p.term = x.term AND p.chunk_id = x.chunk_id;

    INSERT INTO knowledge_statisticsdelta
        (collection_id, chunk_count, total_length, terms, chunk_counts)
    SELECT c.collection_id, -c.chunks, -c.total, d.terms, d.chunk_counts
    FROM (
        SELECT collection_id, count(*) AS chunks, sum(length) AS total
        FROM removed GROUP BY collection_id
    ) c, LATERAL (
        SELECT coalesce(array_agg(term ORDER BY term), '{}') AS terms,
               coalesce(array_agg(-df ORDER BY term), '{}') AS chunk_counts
        FROM (
            SELECT t.term, count(*) AS df
            FROM removed r, unnest(r.terms) AS t(term)
            WHERE r.collection_id = c.collection_id
            GROUP BY t.term
        ) per_term
    ) d;
    RETURN NULL;
END $$;

CREATE TRIGGER knowledge_terms_added AFTER INSERT ON knowledge_chunkterms
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION knowledge_terms_added();
CREATE TRIGGER knowledge_terms_removed AFTER DELETE ON knowledge_chunkterms
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION knowledge_terms_removed();
"""

TRIGGERS_BACK = """
DROP TRIGGER knowledge_terms_added ON knowledge_chunkterms;
DROP TRIGGER knowledge_terms_removed ON knowledge_chunkterms;
DROP FUNCTION knowledge_terms_added();
DROP FUNCTION knowledge_terms_removed();
"""


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0001_initial")]
    operations = [
        migrations.RunSQL(POSTINGS, POSTINGS_BACK),
        migrations.RunSQL(TRIGGERS, TRIGGERS_BACK),
    ]
