"""Find the postings of removed chunks by index, whatever the planner believes of their number.

A collection that is dropped whole removes its postings by range first and says so in
`knowledge.dropping`: the trigger has nothing to look for then.
"""

from django.db import migrations

REMOVED = """
CREATE OR REPLACE FUNCTION knowledge_terms_removed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    dropping text := current_setting('knowledge.dropping', true);
BEGIN
    DELETE FROM knowledge_posting WHERE ctid = ANY(ARRAY(
        SELECT found.ctid
        FROM removed r, unnest(r.terms) AS t(term), LATERAL (
            SELECT p.ctid FROM knowledge_posting p
            WHERE p.collection_id = r.collection_id AND p.term = t.term
              AND p.chunk_id = r.chunk_id
            OFFSET 0
        ) found
        WHERE r.collection_id::text IS DISTINCT FROM dropping
    ));

    INSERT INTO knowledge_statisticsdelta
        (collection_id, chunk_count, total_length, terms, chunk_counts)
    SELECT c.collection_id, -c.chunks, -c.total, d.terms, d.chunk_counts
    FROM (
        SELECT collection_id, count(*) AS chunks, sum(length) AS total
        FROM removed
        WHERE collection_id::text IS DISTINCT FROM dropping
        GROUP BY collection_id
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
ALTER FUNCTION knowledge_terms_removed() RESET ALL;
"""


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0004_vector_fresh")]
    operations = [migrations.RunSQL(REMOVED, migrations.RunSQL.noop)]
