/** A server of MongoDB's wire protocol for tests. */
package mongo;
